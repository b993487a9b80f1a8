"""What is made of a node's answers. With real nodes: tests/live/test_preflight.py."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from agent import preflight
from agent.preflight import Preflight
from agent.session import connect
from agent.terms import FALSE, TRUE, Atom, Term
from agent.ticks import Ticks
from tests.fakes import HEALTHY, ScriptedPeer, cookie, serving

INTERACTIVE: Mapping[str, Term] = {
    "code:get_mode([])": Atom("interactive"),
    **{f"code:which([{module}])": list(b"/x.beam") for module in ("erl_scan", "erl_parse", "erl_eval")},
}


async def found_with(answers: Mapping[str, Term], before: Preflight | None = None) -> tuple[Preflight, bool]:
    """What is found, and whether it is asked by erpc then."""
    peer = ScriptedPeer(preflight=answers)
    async with serving(peer) as server:
        session = await connect(server.target, cookie())
        found = await (preflight.check(session) if before is None else preflight.check(session, before))
        await session.call("m", "f", [], deadline_seconds=5)
        session.close()
        await session.wait_closed()
    return found, not peer.calls[-1].is_plain


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "PREFLIGHT_SECONDS", 0.2)


async def test_a_node_in_good_health_has_no_trouble_and_is_asked_by_erpc() -> None:
    found, by_erpc = await found_with(HEALTHY)
    assert (found.trouble, found.otp_release, by_erpc) == (None, 28, True)


async def test_erpc_is_loaded_when_it_can_be() -> None:
    missing = {**HEALTHY, "erlang:module_loaded([erpc])": FALSE}
    found, by_erpc = await found_with({**missing, "code:ensure_loaded([erpc])": (Atom("module"), Atom("erpc"))})
    assert (found.has_erpc, by_erpc) == (True, True)


async def test_without_erpc_it_is_asked_without() -> None:
    missing = {**HEALTHY, "erlang:module_loaded([erpc])": FALSE}
    found, by_erpc = await found_with({**missing, "code:ensure_loaded([erpc])": (Atom("error"), Atom("nofile"))})
    assert (found.has_erpc, by_erpc) == (False, False)
    assert found.trouble is not None
    assert "cannot load OTP's erpc" in found.trouble


@pytest.mark.parametrize(
    ("answers", "can_evaluate"),
    [
        (INTERACTIVE, True),
        ({**INTERACTIVE, "code:get_mode([])": Atom("embedded")}, False),
        ({**INTERACTIVE, "code:which([erl_scan])": Atom("non_existing")}, False),
        ({}, None),
    ],
    ids=["can be loaded", "embedded", "missing", "no answer"],
)
async def test_an_evaluator_that_is_not_loaded_may_be_there(
    answers: Mapping[str, Term],
    can_evaluate: bool | None,  # noqa: FBT001  # a parameter of the test
) -> None:
    found, _ = await found_with({**HEALTHY, "erlang:module_loaded([erl_eval])": FALSE, **answers})
    assert found.can_evaluate is can_evaluate


async def test_a_node_that_starts_no_worker_is_not_said_to_have_a_code_server_that_hangs() -> None:
    peer = ScriptedPeer(answer=lambda call: call.refused("system_limit"), preflight=None)
    async with serving(peer) as server:
        session = await connect(server.target, cookie())
        found = await preflight.check(session)
        session.close()
        await session.wait_closed()
    assert found.code_server_answers is None
    assert found.trouble == "it does not say what it offers: the node would not start a worker: system_limit"


async def test_what_was_known_is_kept_when_the_node_does_not_answer_this_time() -> None:
    before = Preflight(28, True, True, True, Ticks(8.0, 10))  # noqa: FBT003  # as in its class
    found, by_erpc = await found_with({}, before)
    assert (found.otp_release, found.has_erpc, found.can_evaluate) == (28, True, True)
    assert found.ticks == before.ticks
    assert found.why_unknown is not None
    assert by_erpc


@pytest.mark.parametrize(
    ("ticktime", "intensity", "ticks"),
    [
        (8, (Atom("ok"), 10), Ticks(8.0, 10)),
        ((Atom("ongoing_change_to"), 12), Atom("undefined"), Ticks(12.0, 4)),
        (1 << 63, (Atom("ok"), 1 << 63), Ticks(86_400.0, 1000)),
        (0, (Atom("ok"), 1), Ticks(60.0, 4)),
        (Atom("ignored"), (Atom("ok"), Atom("x")), Ticks(60.0, 4)),
        ((Atom("x"),), [], Ticks(60.0, 4)),
    ],
)
async def test_ticks_are_taken_into_the_bounds_that_otp_has(ticktime: Term, intensity: Term, ticks: Ticks) -> None:
    answers = {
        **HEALTHY,
        "net_kernel:get_net_ticktime([])": ticktime,
        "application:get_env([kernel,net_tickintensity])": intensity,
    }
    assert (await found_with(answers))[0].ticks == ticks


@pytest.mark.parametrize("release", [TRUE, [], list(b"twenty-eight"), [1 << 40]])
async def test_a_release_that_is_no_number_is_not_known(release: Term) -> None:
    found, _ = await found_with({**HEALTHY, "erlang:system_info([otp_release])": release})
    assert found.otp_release is None
