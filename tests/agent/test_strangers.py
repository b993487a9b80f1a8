from __future__ import annotations

import pytest

from agent import control, strangers
from agent.terms import Atom, ImproperList, Pid, Reference, Term
from tests.fakes import OWN_PID, frame

STRANGER = Pid(Atom("other@127.0.0.1"), 7, 0, 3)
REF = Reference(STRANGER.node, 3, (4, 5, 6))
OTHER_OF_OURS = Pid(OWN_PID.node, 1234, 0, OWN_PID.creation)


def answer(message: Term, payload: Term | None = None) -> control.Outgoing | None:
    return strangers.answer(control.parse(frame(message, payload)[4:]), OWN_PID)


@pytest.mark.parametrize("tag", [REF, ImproperList((Atom("alias"),), REF)])
def test_net_adm_ping_is_told_yes(tag: Term) -> None:
    question = (Atom("$gen_call"), (STRANGER, tag), (Atom("is_auth"), STRANGER.node))
    sent = answer((6, STRANGER, Atom(""), Atom("net_kernel")), question)
    assert sent == control.message(STRANGER, (tag, Atom("yes")))


@pytest.mark.parametrize(
    "question",
    [
        Atom("is_auth"),
        (Atom("$gen_call"), (STRANGER, REF), (Atom("spawn_func"), Atom("m"))),
        (Atom("$gen_call"), (Atom("no pid"), REF), (Atom("is_auth"), STRANGER.node)),
        (Atom("$gen_cast"), (STRANGER, REF), (Atom("is_auth"), STRANGER.node)),
        [bytes(5000)],
    ],
)
def test_whatever_else_net_kernel_is_asked_gets_no_answer(question: Term) -> None:
    assert answer((6, STRANGER, Atom(""), Atom("net_kernel")), question) is None


def test_a_call_of_rex_gets_no_answer() -> None:
    call: Term = (Atom("call"), Atom("os"), Atom("cmd"), [[108, 115]], Atom("user"))
    question: Term = (Atom("$gen_call"), (STRANGER, REF), call)
    assert answer((6, STRANGER, Atom(""), Atom("rex")), question) is None


@pytest.mark.parametrize("target", [Atom("rex"), OTHER_OF_OURS])
def test_a_monitor_of_what_is_not_here_is_told_noproc(target: Pid | Atom) -> None:
    assert answer((19, STRANGER, target, REF)) == control.monitor_exit(target, STRANGER, REF, Atom("noproc"))


@pytest.mark.parametrize("target", [Atom("net_kernel"), OWN_PID])
def test_a_monitor_of_what_lives_here_stays_silent(target: Pid | Atom) -> None:
    assert answer((19, STRANGER, target, REF)) is None


def test_a_link_to_what_is_not_here_is_told_noproc() -> None:
    assert answer((1, STRANGER, OTHER_OF_OURS)) == control.link_exit(OTHER_OF_OURS, STRANGER, Atom("noproc"))


def test_a_link_to_our_process_stays_silent() -> None:
    assert answer((1, STRANGER, OWN_PID)) is None


def test_an_unlink_is_confirmed_with_its_own_id() -> None:
    assert answer((35, 42, STRANGER, OWN_PID)) == control.unlink_acknowledgement(42, OWN_PID, STRANGER)


def test_nothing_is_spawned_here() -> None:
    request: Term = (29, REF, STRANGER, STRANGER, (Atom("os"), Atom("cmd"), 1), [])
    assert answer(request, [list(b"ls")]) == control.spawn_refusal(REF, STRANGER, Atom("notsup"))
