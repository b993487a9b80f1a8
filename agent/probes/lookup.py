"""Which process does a person mean: by a printed pid, by a registered name, or by a governor's printed id?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agent.errors import RemoteError
from agent.expression import Shell
from agent.probes import governors, process, rows
from agent.probes.process import NoProcess
from agent.terms import Pid


async def find(who: str, shell: Shell, deadline_seconds: float) -> Pid | NoProcess:
    """Find a process by its pid, ``0.123.0`` or ``<0.123.0>``, or its registered name.

    A pid is not looked at: nobody may live there. Cost: one or two lookups; for a name that nobody bears also the list
    of those that there are. No name becomes an atom on the node.
    """
    too_late = asyncio.get_running_loop().time() + deadline_seconds
    if process.is_printed_pid(who):
        return await _find_pid(who, shell, deadline_seconds)
    # What Python could not decode, once, goes back to the bytes that it was: they are no name.
    encoded = who.encode(errors="surrogatepass")
    if len(encoded) > rows.MAX_NAME_BYTES:
        return NoProcess(who, ())
    try:
        name = await shell.call("erlang", "binary_to_existing_atom", [encoded], deadline_seconds=deadline_seconds)
        found = await shell.call("erlang", "whereis", [name], deadline_seconds=_left(too_late))
    except RemoteError:
        found = None
    if isinstance(found, Pid):
        return found
    registered = await process.ask(shell, _left(too_late), who)
    if isinstance(registered, NoProcess):
        return registered
    return await _find_pid(registered.row.pid, shell, _left(too_late))  # since a moment ago


async def find_governor(who: str, supervisors: Sequence[str], shell: Shell, deadline_seconds: float) -> Pid | NoProcess:
    """Find a process as `find` does, or a governor below these supervisors by its id, ``{quota_governor,<<"acme">>}``.

    Blanks in an id do not matter. Of several with one id none is meant: the nearest are then their pids. Cost: what
    `agent.probes.governors.ask` costs, for what is no pid and no registered name.
    """
    too_late = asyncio.get_running_loop().time() + deadline_seconds
    found = await find(who, shell, deadline_seconds)
    if isinstance(found, Pid) or process.is_printed_pid(who):
        return found
    listed = (await governors.ask(supervisors, shell, _left(too_late), _no_blanks(who))).governors
    same = [one.pid for one in listed if one.pid is not None and _no_blanks(one.id) == _no_blanks(who)]
    if len(same) == 1:
        return await _find_pid(same[0], shell, _left(too_late))
    return NoProcess(who, tuple(same[: rows.NEAREST]) or rows.nearest(who, [one.id for one in listed]) or found.nearest)


async def _find_pid(printed: str, shell: Shell, deadline_seconds: float) -> Pid | NoProcess:
    wanted = process.parse_id(printed)
    if wanted.startswith("<0."):  # others are of other nodes
        try:
            found = await shell.call("erlang", "list_to_pid", [[*wanted.encode()]], deadline_seconds=deadline_seconds)
        except RemoteError:  # larger numbers than a pid has
            found = None
        if isinstance(found, Pid):
            return found
    return NoProcess(printed, ())


def _left(too_late: float) -> float:
    return max(0.0, too_late - asyncio.get_running_loop().time())


def _no_blanks(printed_id: str) -> str:
    return "".join(printed_id.split())
