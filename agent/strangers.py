"""What we answer to messages that we did not ask for: what a hidden node that runs nothing would say.

No answer starts, reads or changes anything here. Without one the asker on the node would wait for nothing: in a
monitor of a name, an unlink, a ping. Whatever is not listed gets none, and is counted by `agent.protocol`.

A node has little to say to us unasked. One that floods us, for whatever reason, is left before it costs this machine
the time that others need.
"""

from __future__ import annotations

from typing import Final

from agent import control, etf
from agent.errors import DecodeError
from agent.terms import Atom, Pid, Term

MAX_UNASKED: Final = 10_000  # at once; a tick counts too
MAX_UNASKED_PER_SECOND: Final = 2_000.0  # for ever: twice as fast as a node with the highest intensity ticks

_NET_KERNEL: Final = Atom("net_kernel")
_GEN_CALL: Final = Atom("$gen_call")
_IS_AUTH: Final = Atom("is_auth")
_YES: Final = Atom("yes")
_NOPROC: Final = Atom("noproc")
_NOTSUP: Final = Atom("notsup")
_PING_LIMITS: Final = etf.Limits(max_bytes=4096, max_depth=8, max_terms=64)  # a ping is some 100 bytes


class Patience:
    """An allowance of messages that nobody asked for: it fills up steadily, and each message takes one."""

    def __init__(self) -> None:
        self._left = float(MAX_UNASKED)
        self._at = 0.0

    def allows_one_more(self, now: float) -> bool:
        """Take one from the allowance; False when nothing is left."""
        self._left = min(MAX_UNASKED, self._left + (now - self._at) * MAX_UNASKED_PER_SECOND) - 1
        self._at = now
        return self._left >= 0


def answer(received: control.Incoming, own_pid: Pid) -> control.Outgoing | None:
    """Return our answer to a message that belongs to no question of ours, or None when it gets none."""
    match received:
        case control.NamedMessage(name=name, message=message) if name == _NET_KERNEL:
            return _answer_ping(message)
        case control.MonitorRequest(sender, receiver, reference) if receiver not in (own_pid, _NET_KERNEL):
            return control.monitor_exit(receiver, sender, reference, _NOPROC)
        case control.LinkRequest(sender, receiver) if receiver != own_pid:
            return control.link_exit(receiver, sender, _NOPROC)
        case control.UnlinkRequest(unlink_id, sender, receiver):
            return control.unlink_acknowledgement(unlink_id, receiver, sender)
        case control.SpawnAttempt(request, sender):
            return control.spawn_refusal(request, sender, _NOTSUP)
    return None


def _answer_ping(message: control.Encoded) -> control.Outgoing | None:
    """Answer ``net_adm:ping/1``, which asks a node's net_kernel whether the asker is welcome."""
    try:
        term: Term = message.decode(_PING_LIMITS)
    except DecodeError:
        return None
    match term:
        case (Atom() as call, (Pid() as asker, tag), (Atom() as question, _)) if (
            call == _GEN_CALL and question == _IS_AUTH
        ):
            return control.message(asker, (tag, _YES))
    return None
