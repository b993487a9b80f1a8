"""How many ports are there, and which have data waiting that nobody takes?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PortRow:
    """One port: a socket, a file descriptor, a program outside.

    ``id`` is printed as Erlang does: ``#Port<0.5>``. ``name`` is that of its driver (``tcp_inet``), or the program that
    it runs, without arguments: these may be secret. ``owner`` is the pid of the process that it is connected to.
    ``queue_bytes`` wait inside for the outside to take them. ``input_bytes`` and ``output_bytes`` are what was read
    and written so far.
    """

    id: str
    name: str
    owner: str
    owner_name: str | None
    queue_bytes: int
    input_bytes: int
    output_bytes: int


@dataclass(frozen=True, slots=True)
class Ports:
    """All ports together, and those with the longest queues, the longest first.

    Totals are those of the sweep; each row is as the port was a moment later. A port that was closed meanwhile is in
    no row. ``not_answering`` are ids of ports that are held by their driver: nothing is known of these, and
    ``left_out`` says so.
    """

    count: int
    limit: int
    queue_bytes: int
    by_queue: tuple[PortRow, ...]
    not_answering: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every port was looked at."""
        return not self.left_out
