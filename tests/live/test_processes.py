"""What the process probes say of real nodes, ill and healthy ones, beside Erlang's own answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent import Session
from agent.errors import DeadlineExceeded
from agent.expression import Expression
from agent.probes import busy, process, processes
from agent.probes.process import NoProcess, Process
from agent.probes.processes import QUEUE_THRESHOLDS, TOP, Processes, Queues
from agent.probes.sweep import HEAP_WORDS
from agent.terms import FALSE, TRUE, Atom, Map, Pid, Term, format_pid
from erlang_fixtures.beam import Beam
from tests.live.nodes import SECONDS, ask, census, ill, join, messages_waiting, number, settles_to, until_answer

pytestmark = pytest.mark.live

OUR_HEAP_WORDS = 100_000_000  # for what the tests themselves ask of a million processes

WITH_MESSAGES = Expression(
    "with_messages",
    """[begin
        Pid = erlang:spawn(timer, sleep, [infinity]),
        [Pid ! message || _ <- lists:seq(1, N)],
        Pid
    end || N <- Lengths]""",
)
END = Expression(
    "end",
    """Monitors = [begin erlang:exit(Pid, kill), erlang:monitor(process, Pid) end || Pid <- Pids],
    [receive {'DOWN', Monitor, _, _, _} -> ok end || Monitor <- Monitors],
    ok""",
)
# One process after the other, as an engineer would ask in a shell; without whoever asks.
ALL_PROCESSES = Expression(
    "all_processes",
    "[{Pid, process_info(Pid, [memory, message_queue_len])} || Pid <- erlang:processes(), Pid =/= erlang:self()]",
)
WORKERS = Expression(
    "workers",
    """[erlang:process_info(Pid, [priority, group_leader, links, garbage_collection]) ||
        Pid <- erlang:processes(), Pid =/= erlang:self(),
        erlang:process_info(Pid, initial_call) =:= {initial_call, {erpc, execute_call, 4}}]""",
)


async def run(session: Session, expression: Expression, **bindings: Term) -> Term:
    answer = await session.evaluate(expression, bindings, deadline_seconds=SECONDS, max_heap_words=OUR_HEAP_WORDS)
    return answer.value


@pytest.fixture
async def session(beam: Beam) -> AsyncIterator[Session]:
    session = await join(beam)
    yield session
    session.close()
    await session.wait_closed()


@pytest.fixture
def own_beam(erl: Path) -> Iterator[Beam]:
    """A node with room for a million processes and nothing else."""
    with Beam(erl, arguments=["+P", "4000000"]) as beam:
        yield beam


@asynccontextmanager
async def with_messages(session: Session, *lengths: int) -> AsyncIterator[list[str]]:
    """Have processes with so many messages each; the block is told their pids."""
    pids = await run(session, WITH_MESSAGES, Lengths=list(lengths))
    assert isinstance(pids, list)
    try:
        yield [format_pid(pid) for pid in pids if isinstance(pid, Pid)]
    finally:
        assert await run(session, END, Pids=pids) == Atom("ok")


async def sweep(session: Session) -> Processes:
    return await processes.ask(session, SECONDS)


async def sizes_of_all(session: Session) -> dict[str, tuple[int, int]]:
    """Memory and queue length of every process but the one that asks, by its pid."""
    sizes = {}
    answer = await run(session, ALL_PROCESSES)
    assert isinstance(answer, list)
    for each in answer:
        match each:
            case (Pid() as pid, [(_, int() as memory), (_, int() as queue)]):
                sizes[format_pid(pid)] = (memory, queue)
    return sizes


@dataclass(frozen=True)
class Judged:
    """A sweep, and what Erlang said about the same processes just before and just after: the same both times."""

    found: Processes
    sizes: dict[str, tuple[int, int]]

    def is_right(self) -> None:
        memory = [memory for memory, _ in self.sizes.values()]
        queues = [queue for _, queue in self.sizes.values()]
        over = {threshold: sum(queue > threshold for queue in queues) for threshold in QUEUE_THRESHOLDS}
        assert self.found.queues == Queues(len(queues), sum(queues), max(queues, default=0), over)
        assert (self.found.memory_bytes, self.found.largest_memory_bytes) == (sum(memory), max(memory, default=0))
        assert [row.memory_bytes for row in self.found.by_memory] == sorted(memory, reverse=True)[:TOP]
        longest = sorted(filter(None, queues), reverse=True)[:TOP]
        assert [row.message_queue_len for row in self.found.by_message_queue_len] == longest
        for row in (*self.found.by_memory, *self.found.by_message_queue_len):
            assert (row.memory_bytes, row.message_queue_len) == self.sizes[row.pid]


async def judged(session: Session) -> Judged:
    """Sweep until nothing has changed meanwhile."""
    async with asyncio.timeout(SECONDS):
        while True:
            before, found, after = await sizes_of_all(session), await sweep(session), await sizes_of_all(session)
            if before == after:
                return Judged(found, before)


# ------------------------------------------------------------------------------------------------------------ illness


async def test_a_flooded_mailbox_is_first(session: Session) -> None:
    async with with_messages(session, 4_999), ill(session, "ill_mailbox_flood", messages=5_000):
        mailboxes, everything = await processes.ask_mailboxes(session, SECONDS), await sweep(session)
    for found in (mailboxes.by_message_queue_len, everything.by_message_queue_len):
        assert [row.message_queue_len for row in found] == [5_000, 4_999]
        assert found[0].name == "flooded_mailbox"
    assert mailboxes.queues == everything.queues
    assert (everything.queues.longest, everything.queues.total) == (5_000, 9_999)


async def test_a_leaking_heap_is_first(session: Session) -> None:
    async with ill(session, "ill_heap_leak", bytes=20_000_000):
        found = await sweep(session)
    assert found.by_memory[0].name == "leaking_heap"
    assert found.by_memory[0].memory_bytes == found.largest_memory_bytes > 20_000_000


async def test_a_busy_process_is_first(session: Session) -> None:
    async with ill(session, "ill_busy_scheduler"):
        found = await busy.ask(session, SECONDS, 0.2)
    assert found.busiest[0].process.name == "busy_process"
    assert found.busiest[0].reductions_in_window > found.reductions / 2
    assert all(one.reductions_in_window > 0 for one in found.busiest)
    assert found.window_seconds >= 0.2


# ------------------------------------------------------------------------------------------------------------- figures


async def test_sums_counts_and_rows_are_what_erlang_says_itself(session: Session) -> None:
    async with with_messages(session, *range(150)), ill(session, "ill_idle_processes", processes=3_000):
        (await judged(session)).is_right()


@pytest.mark.parametrize("excess", [-1, 0, 1])
@pytest.mark.parametrize("chunks", [1, 2, 40])
async def test_chunks_that_come_out_even_and_chunks_that_do_not(
    session: Session, monkeypatch: pytest.MonkeyPatch, chunks: int, excess: int
) -> None:
    async with with_messages(session, 0, 5, 5, 7):
        missing = -(len(await sizes_of_all(session)) - excess) % chunks
        async with with_messages(session, *[3] * missing):
            size, rest = divmod(len(await sizes_of_all(session)) - excess, chunks)
            assert rest == 0
            monkeypatch.setattr(processes, "CHUNK", size)
            (await judged(session)).is_right()


async def test_a_process_is_over_a_threshold_only_with_more_messages(session: Session) -> None:
    lengths = [0, 1, 10, 11, 100, 101, 1_000, 1_001, 10_000, 10_001, 100_000, 100_001]
    async with with_messages(session, *lengths) as pids, ill(session, "ill_mailbox_flood", messages=1_000_001):
        found = (await processes.ask_mailboxes(session, SECONDS)).queues
        assert await number_of_rows(session, pids) == len(lengths) - 1
    assert found.over == {0: 12, 10: 10, 100: 8, 1_000: 6, 10_000: 4, 100_000: 2, 1_000_000: 1}
    assert (found.longest, found.total) == (1_000_001, sum(lengths) + 1_000_001)


async def number_of_rows(session: Session, pids: list[str]) -> int:
    rows = (await processes.ask_mailboxes(session, SECONDS)).by_message_queue_len
    return sum(row.pid in pids for row in rows)


async def test_a_row_says_who_it_is(session: Session) -> None:
    root = await ask(session, "erlang:whereis", Atom("tai_autonomics_sup"))
    child = await ask(session, "erlang:whereis", Atom("governance_sup"))
    assert isinstance(root, Pid)
    assert isinstance(child, Pid)
    (found,) = [row for row in (await sweep(session)).by_memory if row.name == "governance_sup"]
    assert found.pid == format_pid(child)
    assert (found.parent, found.parent_name) == (format_pid(root), "tai_autonomics_sup")
    assert (found.initial_call, found.status) == ("supervisor:tai_sup/1", "waiting")
    assert found.current_function is not None
    assert found.current_function.startswith("gen_server:loop")
    assert found.reductions > 0


async def test_as_many_rows_as_were_asked_for_and_not_one_more(session: Session) -> None:
    async with with_messages(session, *range(1, TOP + 51)):
        found = await sweep(session)
    assert [row.message_queue_len for row in found.by_message_queue_len] == list(range(TOP + 50, 50, -1))
    assert len(found.by_memory) == TOP


async def test_reductions_are_those_within_the_window(session: Session) -> None:
    async with ill(session, "ill_busy_scheduler"):
        worker = await ask(session, "erlang:whereis", Atom("busy_process"))
        before = await ask(session, "erlang:process_info", worker, Atom("reductions"))
        found = await busy.ask(session, SECONDS, 0.1)
        after = await ask(session, "erlang:process_info", worker, Atom("reductions"))
    assert isinstance(before, tuple)
    assert isinstance(after, tuple)
    assert isinstance(before[1], int)
    assert isinstance(after[1], int)
    assert 0 < found.busiest[0].reductions_in_window <= after[1] - before[1]
    assert sum(one.reductions_in_window for one in found.busiest) <= found.reductions


# ------------------------------------------------------------------------------------- processes that are in the way


async def test_processes_that_come_and_go_are_absent_and_not_wrong(session: Session) -> None:
    idle, per_second = 5_000, 20_000
    before = (await sweep(session)).queues.processes
    async with ill(session, "ill_idle_processes", processes=idle, come_and_go_per_second=per_second):
        await until_some_come_and_go(session, before + idle)
        for _ in range(30):
            found, mailboxes = await sweep(session), await processes.ask_mailboxes(session, SECONDS)
            looked = await busy.ask(session, SECONDS, 0.001)
            assert found.queues.processes > before + idle
            assert mailboxes.queues.processes > before + idle
            assert looked.processes > before + idle
            assert found.queues.total == sum(row.message_queue_len for row in found.by_message_queue_len)
            assert all(row.memory_bytes > 0 and row.initial_call is not None for row in found.by_memory)
            assert found.largest_memory_bytes <= found.memory_bytes


async def until_some_come_and_go(session: Session, others: int) -> None:
    await until_answer(
        session,
        lambda count: isinstance(count, int) and count > others + 100,
        "erlang:system_info",
        Atom("process_count"),
    )


def of_these(expression: Expression, pids: Sequence[str]) -> Expression:
    """The same over these processes in this order, as if there were no others."""
    assert "erlang:processes()" in expression.body
    listed = ", ".join(f'"{pid}"' for pid in pids)
    given = f"Given = [erlang:list_to_pid(Printed) || Printed <- [{listed}]],\n"
    return Expression(f"{expression.name}_of_these", given + expression.body.replace("erlang:processes()", "Given"))


@asynccontextmanager
async def of_whom_have_died(session: Session, *deaths: int) -> AsyncIterator[list[str]]:
    """Have ten processes with 0 to 9 messages, of whom these have died; the block is told the pids of all."""
    async with with_messages(session, *range(10)) as pids:
        dead = [await ask(session, "erlang:list_to_pid", list(pids[each].encode())) for each in deaths]
        assert await run(session, END, Pids=dead) == Atom("ok")
        yield pids


@pytest.mark.parametrize("chunk", [1, 2, 3, 10, 11])
@pytest.mark.parametrize("deaths", [[], [0], [9], [4, 5], [0, 1, 2, 3], [6, 7, 8, 9], range(9), range(10)], ids=str)
async def test_whoever_has_died_counts_nowhere(
    session: Session, monkeypatch: pytest.MonkeyPatch, chunk: int, deaths: Sequence[int]
) -> None:
    async with of_whom_have_died(session, *deaths) as pids:
        monkeypatch.setattr(processes, "CHUNK", chunk)
        monkeypatch.setattr(processes, "SWEEP", of_these(processes.SWEEP, pids))
        sizes = await sizes_of_all(session)
        Judged(await sweep(session), {pid: sizes[pid] for pid in pids if pid in sizes}).is_right()


async def test_a_length_that_is_one_more_than_the_last_of_the_top_comes_into_it(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = [*range(52, 51 + TOP), 50, 51, *range(1, 50)]
    async with with_messages(session, *lengths) as pids:
        monkeypatch.setattr(processes, "CHUNK", 1)
        monkeypatch.setattr(processes, "SWEEP", of_these(processes.SWEEP, pids))
        found = await processes.ask_mailboxes(session, SECONDS)
    assert [row.message_queue_len for row in found.by_message_queue_len] == list(range(50 + TOP, 50, -1))


@pytest.mark.parametrize("chunk", [1, 2, 10])
async def test_whoever_dies_within_the_window_is_not_busy(
    session: Session, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    async with of_whom_have_died(session, 3) as pids, ill(session, "ill_busy_scheduler"):
        monkeypatch.setattr(busy, "CHUNK", chunk)
        working = await ask(session, "erlang:whereis", Atom("busy_process"))
        assert isinstance(working, Pid)
        looks = of_these(busy.TWO_LOOKS, [*pids, format_pid(working)])
        pause = "receive after Pause -> ok end"
        assert pause in looks.body
        victims = f'[erlang:exit(erlang:list_to_pid(Victim), kill) || Victim <- ["{pids[5]}", "{pids[9]}"]], {pause}'
        monkeypatch.setattr(busy, "TWO_LOOKS", Expression("busy_with_victims", looks.body.replace(pause, victims)))
        found = await busy.ask(session, SECONDS, 0.05)
    assert found.busiest[0].process.name == "busy_process"
    assert {one.process.pid for one in found.busiest}.isdisjoint({pids[3], pids[5], pids[9]})
    assert found.reductions == sum(one.reductions_in_window for one in found.busiest)


ROW_OF_THE_DEAD = Expression(
    "row_of_the_dead",
    Expression.load("process_row").body
    + """,
    Pid = erlang:spawn(erlang, exit, [normal]),
    Monitor = erlang:monitor(process, Pid),
    receive {'DOWN', Monitor, _, _, _} -> Row(Pid) end""",
)


async def test_a_dead_process_has_no_row(session: Session) -> None:
    assert await run(session, ROW_OF_THE_DEAD) == FALSE


@asynccontextmanager
async def worker_that_hangs(session: Session, function: str, *arguments: Term) -> AsyncIterator[None]:
    """Have a worker of ours hang in this function for as long as the block lasts."""
    people = await census(session)
    module, _, name = function.partition(":")
    question = asyncio.create_task(session.call(module, name, arguments, deadline_seconds=SECONDS))
    try:
        async with asyncio.timeout(SECONDS):
            while await run(session, WORKERS) == []:
                pass
        yield
    finally:
        question.cancel()
        await asyncio.wait({question})
        await settles_to(session, people)


async def test_the_parent_of_a_process_may_be_on_another_node(session: Session) -> None:
    async with worker_that_hangs(session, "timer:sleep", Atom("infinity")):
        parents = [(row.parent, row.parent_name) for row in (await sweep(session)).by_memory]
    assert (f"<0.1.0> on {session.own.name}", None) in parents


# A process can put anything under the name that proc_lib uses.
PRETENDER = Expression(
    "pretender",
    """Waits = fun() -> receive after infinity -> ok end end,
    Pid = erlang:spawn(fun() -> erlang:put('$initial_call', Call), Waits() end),
    Is_there = fun Is_there() ->
        case erlang:process_info(Pid, dictionary) of
            {_, [_ | _]} -> Pid;
            _ -> Is_there()
        end
    end,
    Is_there()""",
)


@pytest.mark.parametrize(
    "call",
    [
        (b"a", b"tenant's", b"name"),
        (Atom("m"), Atom("f"), [b"an argument"]),
        (Atom("m"), Atom("f"), -1),
        (Atom("m"), Atom("f"), 256),
        [Atom("m")],
        Atom("undefined"),
    ],
    ids=str,
)
async def test_what_a_process_makes_up_of_itself_is_not_repeated(session: Session, call: Term) -> None:
    pid = await run(session, PRETENDER, Call=call)
    assert isinstance(pid, Pid)
    try:
        (row,) = [row for row in (await sweep(session)).by_memory if row.pid == format_pid(pid)]
        assert row.initial_call == "erlang:apply/2"
    finally:
        await run(session, END, Pids=[pid])


# --------------------------------------------------------------------------------------------- what it costs the node


async def test_a_sweep_runs_at_low_priority_with_a_heap_limit_and_nobody_but_us_knows_it(session: Session) -> None:
    limit = HEAP_WORDS + busy.HEAP_WORDS_PER_PROCESS * await number(
        session, "erlang:system_info", Atom("process_count")
    )
    looking = asyncio.create_task(busy.ask(session, SECONDS, busy.MAX_WINDOW_SECONDS))
    try:
        async with asyncio.timeout(SECONDS):
            while not (workers := await run(session, WORKERS)):
                pass
    finally:
        looking.cancel()
        await asyncio.wait({looking})
    match workers:
        case [[(_, priority), (_, Pid() as leader), (_, [Pid() as linked]), (_, [(_, Map() as guard), *_])]]:
            assert priority == Atom("low")
            assert format_pid(leader) == "<0.0.0>"
            assert linked == Pid(Atom(str(session.own.name)), linked.id, linked.serial, session.own.creation)
            size = guard[Atom("size")]
            assert isinstance(size, int)
            assert abs(size - limit) <= 10 * busy.HEAP_WORDS_PER_PROCESS
            assert guard[Atom("kill")] == TRUE
            assert guard[Atom("error_logger")] == FALSE
        case _:
            pytest.fail(f"not one worker with the limits of ours: {workers!r}")


Ask = Callable[[Session, float], Awaitable[object]]
QUESTIONS: dict[str, Ask] = {
    "processes": processes.ask,
    "mailboxes": processes.ask_mailboxes,
    "busy": lambda session, seconds: busy.ask(session, seconds, 0.001),
    "process by pid": lambda session, seconds: process.ask(session, seconds, "0.0.0"),
    "process by name": lambda session, seconds: process.ask(session, seconds, "kernel_sup"),
    "no process": lambda session, seconds: process.ask(session, seconds, "governor_sup"),
}


@pytest.mark.parametrize("question", list(QUESTIONS))
async def test_a_hundred_of_each_leave_nothing_on_the_node_and_late_ones_neither(
    session: Session, question: str
) -> None:
    ask_it = QUESTIONS[question]
    async with ill(session, "ill_idle_processes", processes=2_000):
        await ask_it(session, SECONDS)
        people, messages = await census(session), await messages_waiting(session)
        atoms = await number(session, "erlang:system_info", Atom("atom_count"))
        late = 0
        for turn in range(100):
            try:
                await ask_it(session, SECONDS if turn % 2 else turn / 20_000)
            except DeadlineExceeded:
                late += 1
        assert late > 0
        await settles_to(session, people)
        assert await messages_waiting(session) == messages
        assert await number(session, "erlang:system_info", Atom("atom_count")) == atoms


async def test_on_a_saturated_node_a_sweep_is_given_up_and_its_worker_is_gone(session: Session) -> None:
    await sweep(session)
    async with (
        ill(session, "ill_idle_processes", processes=50_000),
        ill(session, "ill_busy_scheduler", processes=4_000),
    ):
        people = await number(session, "erlang:system_info", Atom("process_count"))
        for ask_it in (processes.ask, processes.ask_mailboxes):
            with pytest.raises(DeadlineExceeded):
                await ask_it(session, 0.3)
        await until_answer(session, lambda count: count == people, "erlang:system_info", Atom("process_count"))
    assert (await sweep(session)).queues.processes > 0


# --------------------------------------------------------------------------------------------------------- one process


@pytest.mark.parametrize("written", ["{}.{}.{}", "<{}.{}.{}>", "name"])
async def test_a_process_is_found_by_its_pid_and_by_its_name(session: Session, written: str) -> None:
    pid = await ask(session, "erlang:whereis", Atom("governance_sup"))
    assert isinstance(pid, Pid)
    asked_for = "governance_sup" if written == "name" else written.format(0, pid.id, pid.serial)
    found = await process.ask(session, SECONDS, asked_for)
    assert isinstance(found, Process)
    assert (found.row.pid, found.row.name) == (format_pid(pid), "governance_sup")
    assert (found.application, found.priority, found.is_trapping_exits) == ("tai_autonomics", "normal", True)
    assert found.stack[0].function.startswith("gen_server:loop")
    assert found.total_heap_bytes > 0


@pytest.mark.parametrize(
    ("asked_for", "nearest"),
    [
        ("governor_sup", "governance_sup"),
        ("kernel_su", "kernel_sup"),
        ("0.4294967295.0", None),
        ("<0.4294967296.0>", None),
        ("<0.9999999999.9999999999>", None),
        ("<7.1.0>", None),
        ("<weird>", None),
        ("", None),
        ("undefined", None),
        ("'governance_sup'", "governance_sup"),
        ("\udcff\udcfe", None),
        ("\N{SNOWMAN}" * 255, None),
        ("a" * 256, None),
    ],
)
async def test_what_is_no_process_is_told_with_the_nearest_name(
    session: Session, asked_for: str, nearest: str | None
) -> None:
    found = await process.ask(session, SECONDS, asked_for)
    assert isinstance(found, NoProcess)
    assert found.asked_for == asked_for
    assert next(iter(found.nearest), None) == nearest


@pytest.mark.parametrize("names", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_names_never_heard_of_make_no_atom(session: Session, names: int) -> None:
    await process.ask(session, SECONDS, "unseen")
    before = await number(session, "erlang:system_info", Atom("atom_count"))
    for start in range(0, names, 100):
        found = await asyncio.gather(
            *(process.ask(session, SECONDS, f"unseen_{number}") for number in range(start, start + 100))
        )
        assert all(isinstance(each, NoProcess) for each in found)
    assert await number(session, "erlang:system_info", Atom("atom_count")) == before


# ------------------------------------------------------------------------------------------------- very many processes


async def is_right_about(beam: Beam, idle: int) -> None:
    """Ask all three sweeps of a node with very many processes, of which one has messages and one a large heap."""
    session = await join(beam)
    async with (
        ill(session, "ill_idle_processes", processes=idle),
        ill(session, "ill_mailbox_flood", messages=50),
        ill(session, "ill_heap_leak", bytes=1_000_000),
    ):
        for busy_until_now in ("ill_idle_processes", "ill_heap_leak"):
            await ask(session, "erlang:garbage_collect", await ask(session, "erlang:whereis", Atom(busy_until_now)))
        total = await run(session, TOTAL_MEMORY)
        found, mailboxes = await sweep(session), await processes.ask_mailboxes(session, SECONDS)
        looked = await busy.ask(session, SECONDS, 0.1)
        alive = await number(session, "erlang:system_info", Atom("process_count"))
    session.close()
    await session.wait_closed()
    assert found.queues.processes == mailboxes.queues.processes == looked.processes == alive - 1 > idle
    assert (
        found.queues
        == mailboxes.queues
        == Queues(alive - 1, 50, 50, {0: 1, 10: 1} | dict.fromkeys(QUEUE_THRESHOLDS[2:], 0))
    )
    assert found.memory_bytes == pytest.approx(total, rel=0.01)
    assert found.by_memory[0].name == "leaking_heap"
    assert [row.name for row in mailboxes.by_message_queue_len] == ["flooded_mailbox"]
    assert len(found.by_memory) == TOP


TOTAL_MEMORY = Expression(
    "total_memory",
    "lists:sum([element(2, erlang:process_info(Pid, memory)) || Pid <- erlang:processes(), Pid =/= erlang:self()])",
)


async def test_a_hundred_thousand_processes(own_beam: Beam) -> None:
    await is_right_about(own_beam, 100_000)


@pytest.mark.slow
async def test_a_million_processes_within_the_heap_limit(own_beam: Beam) -> None:
    await is_right_about(own_beam, 1_000_000)
