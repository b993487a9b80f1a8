"""Our page with the old names beside prometheus.erl's own page, of the same node.

Its release is the one that RabbitMQ of Debian carries: 4.9.1, which has the names from before 6.0.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_text

from agent import Session, Target, connect, read_cookie_file
from agent.probes import vital_signs
from agent.terms import Atom
from collector.metrics.exposition import write_page
from collector.metrics.legacy import Naming
from collector.metrics.page import to_families
from collector.question import Question, put
from collector.scraping import ASK_ALLOCATORS, ASK_DISTRIBUTION, ASK_MICROSTATES, ASK_MNESIA
from collector.snapshot import Snapshot
from erlang_fixtures.beam import Beam, Epmd
from tests.live.nodes import ask

pytestmark = pytest.mark.live

PLUGINS = Path("/usr/lib/rabbitmq/lib")
Key = tuple[str, frozenset[tuple[str, str]]]

# What prometheus.erl asks a process that may be stuck, and we do not.
NOT_ASKED = {"erlang_mnesia_transaction_participants", "erlang_mnesia_transaction_coordinators"}
# What moves while two pages are made, and by how much it may: the pages themselves are a part of it.
MOVES = {
    "erlang_vm_allocators": 6_000_000,
    "erlang_vm_dist_proc_": 20_000,
    "erlang_vm_memory_": 6_000_000,
    "erlang_vm_statistics_": 50,
    "erlang_vm_atom_count": 500,
    "erlang_vm_process_count": 20,
    "erlang_vm_port_count": 2,
}


def ebins() -> list[str]:
    found = [*PLUGINS.glob("*/plugins/prometheus-*/ebin"), *PLUGINS.glob("*/plugins/quantile_estimator-*/ebin")]
    if len(found) < 2:
        pytest.skip(f"no prometheus.erl below {PLUGINS}: Debian's rabbitmq-server is not installed")
    return [argument for ebin in found for argument in ("-pa", str(ebin))]


@pytest.fixture(scope="module")
def beam_with_it(erl: Path) -> Iterator[tuple[Beam, Beam]]:
    """A node with prometheus.erl, and one to be its peer."""
    with (
        Epmd() as epmd,
        Beam(erl, epmd_port=epmd.port, applications=["prometheus"], arguments=ebins()) as beam,
        Beam(erl, epmd_port=epmd.port) as other,
    ):
        yield beam, other


@pytest.fixture
async def session(beam_with_it: tuple[Beam, Beam]) -> AsyncIterator[Session]:
    """A connection to the node when it has all there is to tell: a peer, microstates, and mnesia where there is one."""
    beam, other = beam_with_it
    session = await connect(Target.parse(f"{beam.name}:{beam.port}"), read_cookie_file(beam.cookie_file))
    await ask(session, "erlang:set_cookie", Atom(other.name), Atom(other.cookie))
    assert await ask(session, "net_kernel:connect_node", Atom(other.name)) == Atom("true")
    await ask(session, "erlang:system_flag", Atom("microstate_accounting"), Atom("true"))
    if isinstance(await ask(session, "code:which", Atom("mnesia")), list):
        await ask(session, "mnesia:start")
    yield session
    session.close()


async def ours(session: Session) -> dict[Key, float]:
    questions = [Question(name, probe) for name, probe in vital_signs().items()]
    questions += [ASK_ALLOCATORS, ASK_DISTRIBUTION, ASK_MICROSTATES, ASK_MNESIA]
    outcomes = {question.probe: await put(question, session) for question in questions}
    target = Target.parse(str(session.peer.name))
    snapshot = Snapshot(target, datetime.now(UTC), None, session.peer, outcomes=outcomes)
    return read(write_page(to_families([snapshot]), "", Naming.LEGACY, 100_000).body.decode())


async def theirs(session: Session) -> dict[Key, float]:
    """Their page, without what is of our own connection: it is a peer to them."""
    text = await ask(session, "prometheus_text_format:format")
    assert isinstance(text, bytes)
    of_us = ("peer", str(session.own.name))
    return {key: value for key, value in read(text.decode()).items() if of_us not in key[1]}


def read(text: str) -> dict[Key, float]:
    """Every sample, without its type: the parser would put ``_total`` behind the name of a counter that has none."""
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse_text(text)
        for sample in family.samples
        if sample.name.startswith("erlang_")
    }


def named(keys: Mapping[Key, float]) -> dict[str, int]:
    """How many series each family has."""
    found: dict[str, int] = {}
    for name, _labels in keys:
        found[name] = found.get(name, 0) + 1
    return found


def slack(name: str) -> float:
    return max((much for start, much in MOVES.items() if name.startswith(start)), default=0.0)


async def test_all_families_have_the_series_that_prometheus_erl_has(session: Session) -> None:
    found, expected = await ours(session), await theirs(session)
    wanted = {name: series for name, series in named(expected).items() if name not in NOT_ASKED}
    assert named(found) == wanted
    assert {labels for _name, labels in found} == {labels for _name, labels in expected}
    assert {"erlang_vm_allocators", "erlang_vm_dist_recv_cnt", "erlang_vm_msacc_gc_seconds_total"} <= wanted.keys()


async def test_every_value_is_the_one_that_prometheus_erl_has(session: Session) -> None:
    await theirs(session)  # the first time it loads what it needs
    before, expected, after = await ours(session), await theirs(session), await ours(session)
    wrong = {
        key: (before[key], value, after[key])
        for key, value in expected.items()
        if key in before.keys() & after.keys()
        and not min(before[key], after[key]) - slack(key[0]) <= value <= max(before[key], after[key]) + slack(key[0])
    }
    assert wrong == {}


async def test_what_counts_lies_between_what_we_saw_before_and_after(session: Session) -> None:
    before, expected, after = await ours(session), await theirs(session), await ours(session)
    counters = [
        key
        for key in expected.keys() & before.keys()
        if key[0].startswith("erlang_vm_msacc_")
        or key[0] in {"erlang_vm_statistics_reductions_total", "erlang_vm_statistics_wallclock_time_milliseconds"}
        or key[0] in {"erlang_vm_statistics_context_switches", "erlang_vm_statistics_garbage_collection_number_of_gcs"}
    ]
    assert len(counters) > 50
    assert [key for key in counters if not int(before[key]) <= expected[key] <= after[key]] == []
