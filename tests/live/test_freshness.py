"""Answers that many share, and what they cost, on real nodes: one in good health, and one that has too much to do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import subprocess
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent import Node, Session, Target, read_cookie_file
from agent.errors import DeadlineExceeded
from agent.expression import Evaluated, Expression, Shell
from agent.node import Up
from agent.probes import Result, processes, vital_signs
from agent.probes.processes import Mailboxes
from agent.terms import Atom
from collector.fleet import Fleet
from collector.freshness import Asker
from collector.question import EVALUATION_SECONDS, MAX_SECONDS_PER_REDUCTION, STARVED_SHARE, Question, put
from collector.snapshot import Answered, Failed, Outcome
from collector.views.processes import SWEEP_MAILBOXES, SWEEP_PROCESSES
from collector.watched import WatchedNode
from erlang_fixtures.beam import Beam
from tests.collector_fakes import IDENTITY
from tests.fakes import until
from tests.live.illnesses import ill
from tests.live.nodes import SECONDS, ask, join
from tests.live.test_service import PROGRAM, Service, serving, watching

pytestmark = pytest.mark.live

SOME_WORK = Expression("some_work", "lists:foldl(fun(_, Sum) -> Sum end, 0, lists:seq(1, 5000))")
FOR_EVER = Expression("for_ever", "(fun Again() -> Again() end)()")
TOO_LITTLE_SECONDS = 1.0  # for a sweep that is to fail


@asynccontextmanager
async def watch(beam: Beam, *sweeps: Question) -> AsyncIterator[WatchedNode]:
    """Watch a node as the collector does, from when it is connected."""
    node = Node(Target.parse(beam.target), read_cookie_file(beam.cookie_file))
    async with Fleet([WatchedNode(node, vital_signs(), lambda: None, sweeps)]) as fleet:
        await until(lambda: isinstance(node.state, Up), f"{beam.name} is connected", SECONDS)
        yield fleet.nodes[beam.name]


# ------------------------------------------------------------------------------------------------------- in good health


async def test_two_scrapers_and_a_person_share_one_sweep(beam: Beam) -> None:
    asked: list[float] = []

    async def count(shell: Shell, deadline_seconds: float) -> Mailboxes:
        asked.append(deadline_seconds)
        return await processes.ask_mailboxes(shell, deadline_seconds)

    sweep = replace(SWEEP_MAILBOXES, ask=count)
    async with watch(beam, sweep) as watched:
        first, second, person = await asyncio.gather(
            watched.scrape(SECONDS), watched.scrape(SECONDS), watched.answer(sweep, Asker.PERSON)
        )
        later = await watched.answer(sweep, Asker.PERSON)
    assert len(asked) == 1
    answers = [snapshot.outcome("mailboxes") for snapshot in (first, second, person, later)]
    assert isinstance(answers[0], Answered)
    assert answers == [answers[0]] * 4
    assert first.is_up
    assert second.is_up


async def test_the_cost_grows_by_what_each_sweep_took(beam: Beam) -> None:
    async with watch(beam) as watched:
        first = await watched.answer(SWEEP_PROCESSES, Asker.PERSON)
        shared = await watched.answer(SWEEP_PROCESSES, Asker.PERSON)
        await asyncio.gather(watched.answer(SWEEP_MAILBOXES, Asker.PROGRAM), watched.scrape(SECONDS))
        last = await watched.scrape(SECONDS)
    answer = first.outcome("processes")
    assert isinstance(answer, Answered)
    assert 0 < answer.cost_seconds < SECONDS
    assert first.costs["processes"] == shared.costs["processes"] == last.costs["processes"] == answer.cost_seconds
    assert last.costs.keys() >= {"processes", "mailboxes", "memory", "statistics", "system_info", "identity"}
    assert all(seconds > 0 for seconds in last.costs.values())


@pytest.fixture(scope="module")
async def service(beam: Beam) -> AsyncIterator[Service]:
    """A collector beside the node of this file, with the names of today."""
    async with serving(*watching(beam), "--naming", "v6") as serving_it:
        await serving_it.is_up()
        yield serving_it


async def test_the_metrics_tell_the_cost_that_the_answer_told(service: Service) -> None:
    answer = (await service.get("/api/v1/nodes/-/busy?window_seconds=0.1&fresh=true")).json()
    scrape = await service.get("/metrics")
    shared = (await service.get("/api/v1/nodes/-/mailboxes?fresh=true")).json()
    again = (await service.get("/api/v1/nodes/-/mailboxes")).json()
    found = {
        (sample.name, sample.labels.get("probe")): sample.value
        for family in text_string_to_metric_families(scrape.text)
        for sample in family.samples
    }
    assert found["beamwarden_node_cost_seconds_total", "busy"] == pytest.approx(answer["cost_seconds"], abs=1e-6)
    for probe in ("mailboxes", "processes"):
        assert found["beamwarden_node_cost_seconds_total", probe] > 0
        assert found["beam_probe_success", probe] == 1
        assert found["beam_probe_age_seconds", probe] >= 0
    assert found["beam_process_memory_bytes_max", None] > 0
    assert found["beam_process_message_queue_length_max", None] >= 0
    assert again["collected_at"] >= shared["collected_at"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is part of Debian's package prometheus")
async def test_prometheus_s_own_linter_has_nothing_to_say_of_a_real_scrape(service: Service) -> None:
    scrape = await service.get("/metrics")
    promtool = ["promtool", "check", "metrics"]
    told = await asyncio.to_thread(
        subprocess.run, promtool, input=scrape.content, capture_output=True, check=False, timeout=60
    )
    assert (told.returncode, told.stdout, told.stderr) == (0, b"", b"")


async def test_who_watches_a_node_itself_stays_connected_meanwhile(beam: Beam) -> None:
    session = await join(beam)
    options = ("--node", beam.target, "--cookie-file", str(beam.cookie_file), "--interval", "0.5")
    watcher = await asyncio.create_subprocess_exec(
        PROGRAM, "mailboxes", "--watch", "--json", *options, stdout=PIPE, stderr=PIPE
    )
    try:
        assert watcher.stdout is not None
        answers, connected = [], []
        for _ in range(3):
            answers.append(json.loads(await asyncio.wait_for(watcher.stdout.readline(), SECONDS)))
            connected.append(await ask(session, "erlang:nodes", Atom("hidden")))
        watcher.send_signal(signal.SIGINT)
        _, errors = await asyncio.wait_for(watcher.communicate(), SECONDS)
    finally:
        with contextlib.suppress(ProcessLookupError):
            watcher.kill()
        await watcher.wait()
    session.close()
    assert (watcher.returncode, errors) == (0, b"")
    assert connected == [connected[0]] * 3
    assert {answer["node"]["creation"] for answer in answers} == {session.peer.creation}


async def test_a_sweep_that_runs_all_the_time_has_overrun(beam: Beam) -> None:
    async def never_end(shell: Shell, deadline_seconds: float) -> Result:
        await shell.evaluate(FOR_EVER, {}, deadline_seconds=deadline_seconds, is_sweep=True)
        raise AssertionError

    session = await join(beam)
    question = Question("for_ever", never_end, deadline_seconds=TOO_LITTLE_SECONDS, is_sweep=True)
    outcome = await put(question, session)
    session.close()
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, DeadlineExceeded)
    assert "saturated" not in str(outcome.error)
    assert outcome.is_overrun
    assert outcome.cost_seconds >= TOO_LITTLE_SECONDS


# ------------------------------------------------------------------------------------------------- with too much to do


@pytest.fixture(scope="module")
def narrow(erl: Path) -> Iterator[Beam]:
    """A node with two schedulers, whatever the machine has."""
    with Beam(erl, applications=["tai_autonomics"], arguments=["+S", "2"]) as node:
        yield node


@pytest.fixture
async def doctor(narrow: Beam) -> AsyncIterator[Session]:
    """A connection to make the node ill by, and well again."""
    session = await join(narrow)
    yield session
    session.close()


async def test_a_saturated_node_says_so_and_its_vital_signs_still_answer(narrow: Beam, doctor: Session) -> None:
    sweep = replace(SWEEP_PROCESSES, deadline_seconds=TOO_LITTLE_SECONDS)
    async with (
        watch(narrow, sweep) as watched,
        ill(doctor, "ill_idle_processes", processes=20_000),
        ill(doctor, "ill_busy_scheduler", processes=200),
    ):
        snapshot = await watched.scrape(SECONDS)
        person = await watched.answer(sweep, Asker.PERSON)
    failed = snapshot.outcome("processes")
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, DeadlineExceeded)
    for why in (failed.error, person.why_no("processes")):
        assert ": it is saturated, " in str(why)
        waiting = str(why).partition("it is saturated, ")[2].split(" ")
        assert int(waiting[0]) > 100
        assert waiting[1:6] == ["processes", "wait", "for", "a", "scheduler."]
    assert failed.cost_seconds == pytest.approx(failed.duration_seconds * STARVED_SHARE)
    assert snapshot.is_up
    assert all(isinstance(outcome, Answered) for outcome in snapshot.outcomes.values())


def explained_seconds_of(found: Evaluated) -> float:
    """Return what its reductions can have taken at the most."""
    return found.reductions * MAX_SECONDS_PER_REDUCTION


async def test_a_worker_that_waits_for_its_turn_does_not_cost_what_it_waited(narrow: Beam, doctor: Session) -> None:
    spent: list[Evaluated] = []
    outcomes: list[Outcome] = []

    async def work(shell: Shell, deadline_seconds: float) -> Result:
        # Of low priority: at the common one a fast machine is through all the others sooner than is explained.
        spent.append(await shell.evaluate(SOME_WORK, {}, deadline_seconds=deadline_seconds, is_sweep=True))
        return IDENTITY

    async with ill(doctor, "ill_busy_scheduler", processes=400), asyncio.timeout(SECONDS):
        while not spent or spent[-1].worker_seconds <= explained_seconds_of(spent[-1]):  # until one had to wait
            outcomes.append(await put(Question("some_work", work, deadline_seconds=SECONDS), doctor))
    answered = outcomes[-1]
    assert isinstance(answered, Answered)
    assert answered.cost_seconds == pytest.approx(explained_seconds_of(spent[-1]) + EVALUATION_SECONDS)
