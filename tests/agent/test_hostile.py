"""A peer that attacks us, also one that knows the cookie: it costs us a bounded amount of memory, and nothing else.

What is attacked runs in a process of its own, `tests.hostile_client`; the attacks are in `tests.hostile_attacks`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields, replace
from functools import cache

import pytest
from _pytest.mark import ParameterSet

from agent.probes.memory import Memory
from agent.terms import Atom, Pid, Reference, Term
from collector.changes import LINES_AT_ONCE
from tests.fakes import OWN_PID, SpawnedCall, frame, until
from tests.hostile import (
    Attack,
    Chunks,
    Clients,
    HostileServer,
    Report,
    attack_client,
    attacking,
    honest,
    returning,
)
from tests.hostile_attacks import (
    ANSWERS,
    BROKEN,
    CAP,
    FLOODS,
    HANDSHAKES,
    LONG,
    MANY_ANSWERS,
    MIB,
    ODD,
    PROBES,
    SMALL,
    VALUES,
    Case,
    breaking_differently,
    four_gigabytes,
    named,
    ping,
    probed,
)
from tests.hostile_bytes import (
    OTHER_OF_OURS,
    STRANGER,
    encoded,
    length,
    node_atom,
    numbered,
    repeated,
)
from tests.hostile_client import Plan

pytestmark = pytest.mark.no_cover  # what is attacked is another program, whose lines are not measured

MAX_LOG_LINES = 5
RESIDENT_ALLOWANCE_BYTES = 16 * MIB  # what the allocator has from the system and does not use at the moment
MAX_ATOM_BYTES = 4 * MIB
NOPROC = Atom("noproc")

CASES: Mapping[str, Case] = {**HANDSHAKES, **FLOODS, **BROKEN, **LONG, **ANSWERS}
# Each takes some seconds, and others like them are in the short form.
LONG_ONES = {
    "answers_over_the_largest_size",
    "exits_over_the_largest_size",
    "five_batches",
    "probes_that_get_empty_lists_from_the_start",
    "probes_that_get_empty_lists",
    "probes_that_get_lists_that_break_off_at_their_end",
    "the_most_empty_lists_by_default",
    "the_most_integers_in_a_key",
    "twenty_batches",
    *MANY_ANSWERS,
}


def named_after(cases: Iterable[str]) -> list[ParameterSet]:
    return [pytest.param(name, marks=pytest.mark.slow if name in LONG_ONES else ()) for name in cases]


OF_PROBES = [f"probes_that_get_{name}" for name in PROBES]
ALL = named_after([*CASES, *OF_PROBES, *MANY_ANSWERS])


class Attacks:
    """Each attack is made once, by the first test that looks at it."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._cases = {**CASES, **{f"probes_that_get_{name}": case for name, case in PROBES.items()}, **MANY_ANSWERS}
        self._made: dict[str, tuple[Report, HostileServer]] = {}
        self._failed: dict[str, str] = {}

    async def __call__(self, name: str) -> tuple[Report, HostileServer]:
        if name in self._failed:  # not again: it may have taken until the client's limit
            pytest.fail(f"an earlier test has made this attack: {self._failed[name]}")
        if name not in self._made:
            attack, plan = self._cases[name].attack, self._cases[name].plan
            try:
                self._made[name] = await attack_client(self._clients, attack, plan)
            except AssertionError as error:
                self._failed[name] = str(error)
                raise
        return self._made[name]


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    with Clients(tmp_path_factory.mktemp("hostile") / "errors") as running:
        yield running


@pytest.fixture(scope="module")
def attacks(clients: Clients) -> Attacks:
    return Attacks(clients)


def may_get(reply: tuple[Term, ...]) -> bool:
    """Whether a stranger may get this of us, or a worker whose question nobody waits for any more."""
    match reply:
        case (2, Atom(name=""), Pid(), (_, Atom(name="yes"))):  # to a ping
            return True
        case (3, Pid(), Pid(), reason) | (21, Pid() | Atom(), Pid(), Reference(), reason):
            return reason == NOPROC
        case (31, Reference(), Pid(), 0, Atom(name="notsup")):
            return True
        case (36, int(), Pid(), Pid()):
            return True
        case (8, sender, Pid(), Atom(name="kill")):
            return sender == OWN_PID
    return False


@pytest.mark.parametrize("name", ALL)
async def test_an_attack_takes_less_memory_than_is_set(attacks: Attacks, name: str) -> None:
    report, _ = await attacks(name)
    cap = {**CASES, **MANY_ANSWERS}[name].plan.memory_bytes if not name.startswith("probes") else CAP
    assert report.traced_bytes < cap
    assert report.resident_bytes < cap + RESIDENT_ALLOWANCE_BYTES


@pytest.mark.parametrize("name", named_after(name for name, case in CASES.items() if case.ends))
async def test_a_connection_that_cannot_go_on_ends_with_the_reason(attacks: Attacks, name: str) -> None:
    report, _ = await attacks(name)
    assert re.search(CASES[name].ends, report.ended)


@pytest.mark.parametrize("name", named_after([*(name for name, case in CASES.items() if not case.ends), *MANY_ANSWERS]))
async def test_where_the_protocol_is_not_broken_the_next_question_is_answered(attacks: Attacks, name: str) -> None:
    report, _ = await attacks(name)
    assert (report.ended, report.next) == ("", "ok")


@pytest.mark.parametrize("name", named_after([*ANSWERS, *OF_PROBES, *MANY_ANSWERS]))
async def test_a_question_ends_in_a_way_that_is_foreseen(attacks: Attacks, name: str) -> None:
    report, _ = await attacks(name)
    cases = {**ANSWERS, **MANY_ANSWERS, **{f"probes_that_get_{name}": case for name, case in PROBES.items()}}
    assert set(report.outcomes) <= cases[name].outcomes
    assert report.outcomes


@pytest.mark.parametrize("name", ALL)
async def test_nothing_is_run_for_an_attacker(attacks: Attacks, name: str) -> None:
    report, server = await attacks(name)
    assert report.ran == []
    assert report.tasks == []
    assert [reply for reply in server.replies if not may_get(reply)] == []


@pytest.mark.parametrize("name", ALL)
async def test_an_attack_is_worth_a_handful_of_lines_of_printable_text(attacks: Attacks, name: str) -> None:
    report, _ = await attacks(name)
    assert report.log_lines <= MAX_LOG_LINES
    assert [text for text in report.texts if not text.isprintable()] == []


async def test_a_flood_of_spawn_requests_is_refused_one_by_one(attacks: Attacks) -> None:
    _, server = await attacks("spawn_requests")
    assert {reply[0] for reply in server.replies} == {31}


async def test_a_flood_of_atoms_leaves_a_few_megabytes_at_most(attacks: Attacks) -> None:
    report, _ = await attacks("distinct_atoms")
    assert report.traced_bytes < MAX_ATOM_BYTES


async def test_a_peer_that_breaks_the_protocol_in_another_way_each_time_does_not_fill_the_log(clients: Clients) -> None:
    report, server = await attack_client(clients, breaking_differently(), Plan(changes=100))
    assert server.connections >= 50
    assert len(report.texts) > 2 * LINES_AT_ONCE
    assert report.log_lines <= LINES_AT_ONCE + MAX_LOG_LINES


# --- without one of the limits the attack would succeed, so it is large enough ---------------------------------------

_NO_END = ("agent.strangers.MAX_UNASKED",)

LIFTED: Mapping[str, tuple[Attack, Plan]] = {
    "max_frame_bytes": (
        Attack(flood=lambda: itertools.chain(itertools.islice(four_gigabytes(), 200), itertools.repeat(b""))),
        replace(
            LONG["a_frame_of_four_gigabytes_in_a_flood"].plan,
            lifted=("max_frame_bytes",),
            patches=(("agent.protocol.FRAME_SECONDS", 2.0),),  # a machine that is busy reads that much in no less
        ),
    ),
    "max_waiting_bytes": (
        Attack(answer=returning(cache(VALUES["a_binary"]))),
        Plan(
            questions=25,
            deadline_seconds=2.0,
            max_answer_bytes=SMALL.max_frame_bytes,
            lifted=("max_waiting_bytes", "an idle decoder"),
        ),
    ),
    "max_terms": (
        Attack(answer=returning(cache(lambda: repeated(b"j", 1_200_000)))),
        Plan(questions=1, max_answer_bytes=SMALL.max_frame_bytes, lifted=("max_terms",)),
    ),
    "max_unsent_bytes": (
        Attack(flood=lambda: itertools.repeat(ping(bytes(3900)) * 100, 220), reads=False),
        Plan(waits_for_end=False, asks_next=True, lifted=("agent.link.MAX_UNSENT_BYTES", *_NO_END)),
    ),
}


@pytest.mark.parametrize(
    "limit",
    [
        "max_frame_bytes",
        "max_waiting_bytes",
        pytest.param("max_terms", marks=pytest.mark.slow),
        pytest.param("max_unsent_bytes", marks=pytest.mark.slow),
    ],
)
async def test_without_a_limit_an_attack_takes_more_memory_than_is_set(clients: Clients, limit: str) -> None:
    attack, plan = LIFTED[limit]
    report, _ = await attack_client(clients, attack, plan)
    assert report.traced_bytes > CAP


async def test_without_a_limit_a_flood_of_atoms_would_stay(clients: Clients) -> None:
    links = numbered(lambda number: frame((1, Pid(node_atom(number), 1, 0, 1), OTHER_OF_OURS)), 20_000)
    plan = Plan(lifted=("known atoms", *_NO_END))
    report, _ = await attack_client(clients, Attack(flood=links, reads=False), plan)
    assert report.traced_bytes > MAX_ATOM_BYTES


# --- what attacks once achieved ---------------------------------------------------------------------------------------


ODD_NAME = ODD.replace(b"\0", b"") + b"@127.0.0.1"
UNLINK = frame((35, 1 << (8 * 1_100_000), STRANGER, OWN_PID))
A = Atom("a")


async def test_an_unlink_with_a_number_of_a_megabyte_is_no_bug_of_ours(clients: Clients) -> None:
    report, _ = await attack_client(clients, Attack(flood=lambda: [UNLINK], reads=False), Plan())
    assert report.log_lines == 0


async def test_a_name_of_odd_characters_that_we_are_given_is_not_printed(clients: Clients) -> None:
    report, _ = await attack_client(clients, Attack(status=named(ODD_NAME)), Plan(snapshots=1))
    assert [text for text in report.texts if not text.isprintable()] == []


async def test_a_name_that_is_no_atom_is_refused_in_the_handshake(clients: Clients) -> None:
    report, _ = await attack_client(clients, Attack(status=named(b"a" * 500 + b"@127.0.0.1")), Plan(questions=1))
    assert report.outcomes == {}
    assert re.search("^NotErlang", report.ended)


async def test_a_refusal_of_odd_characters_is_not_printed(clients: Clients) -> None:
    def refuse(call: SpawnedCall, pid: Pid) -> Chunks:
        return honest(call, pid) if call.target == "m:next" else [call.refused(ODD.decode("latin-1"))]

    report, _ = await attack_client(clients, Attack(answer=refuse), Plan(questions=1))
    assert [text for text in report.texts if not text.isprintable()] == []


async def test_a_release_of_odd_characters_is_not_printed(clients: Clients) -> None:
    case = probed(lambda: encoded([list(ODD), [0xD800], 1, 0, 1]))
    report, _ = await attack_client(clients, case.attack, case.plan)
    assert [text for text in report.texts if not text.isprintable()] == []


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(
            repeated(b"o" + length(4000) + b"\0" + b"\xff" * 4000, 5),
            id="identity_shows_them",
        ),
        pytest.param(
            encoded([[1], [2], 1 << 3000, 0, 1]),
            id="identity_divides_them",
        ),
        pytest.param(
            encoded([((A, 1), (A, 1)), (1, 1), (1, 1, 1), 8, (1, 1), (1 << 3000, 1), [1, 1, 1]]),
            id="statistics_divides_them",
        ),
        pytest.param(
            encoded([(Atom(field.name), 1 << 20_000) for field in fields(Memory)]),
            id="metrics_hold_them",
        ),
    ],
)
async def test_huge_integers_are_no_bug_of_ours(clients: Clients, value: bytes) -> None:
    case = probed(lambda: value)
    report, _ = await attack_client(clients, case.attack, case.plan)
    assert set(report.outcomes) <= case.outcomes


@pytest.mark.slow
async def test_errors_that_are_kept_do_not_keep_the_answers(clients: Clients) -> None:
    attack = Attack(answer=returning(cache(VALUES["a_list_that_breaks_off_at_its_end"])))
    plan = Plan(questions=10, keeps_errors=True)
    report, _ = await attack_client(clients, attack, plan)
    assert report.traced_bytes < CAP


async def test_answers_that_nobody_waits_for_any_more_are_not_kept(clients: Clients) -> None:
    attack = Attack(answer=returning(cache(VALUES["a_binary"])))
    plan = Plan(questions=1, rounds=20, deadline_seconds=0.2, max_answer_bytes=SMALL.max_frame_bytes, asks_next=False)
    report, _ = await attack_client(clients, attack, replace(plan, lifted=("an idle decoder",)))
    assert report.traced_bytes < CAP


# --- the clients themselves: one that fails is one test that fails ---------------------------------------------------


async def test_a_client_that_never_ends_says_what_it_waits_for(clients: Clients) -> None:
    with pytest.raises(AssertionError, match=r"Client\.run"):
        await attack_client(clients, Attack(), Plan(waits_for_end=True, limit_seconds=1.0))


async def test_after_a_client_that_failed_the_next_one_follows_its_plan(clients: Clients) -> None:
    with pytest.raises(AssertionError, match="no_such_module"):
        await attack_client(clients, Attack(), Plan(patches=(("no_such_module.LIMIT", 0.0),)))
    report, _ = await attack_client(clients, Attack(), Plan())
    assert report.next == "ok"


async def test_after_a_client_that_was_killed_the_next_one_follows_its_plan(clients: Clients) -> None:
    async with attacking(Attack()) as silent:
        plan = json.dumps(asdict(Plan(healthy_port=silent.port, hostile_port=silent.port, waits_for_end=True)))
        following = asyncio.ensure_future(asyncio.to_thread(clients.follow, plan))
        await until(lambda: silent.connections == 2, "the client waits for the end of its second connection")
        clients.kill()
        with pytest.raises(AssertionError, match="without a report"):
            await following
    report, _ = await attack_client(clients, Attack(), Plan())
    assert report.next == "ok"
