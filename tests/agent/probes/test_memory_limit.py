from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given

from agent.errors import DeadlineExceeded, UnexpectedAnswer
from agent.expression import Evaluated, Expression
from agent.probes import memory_limit
from agent.probes.memory_limit import Limit, LimitSource, MemoryLimit
from agent.terms import Atom, Term
from tests.fakes import FakeShell
from tests.lies import every_small_lie, lies
from tests.terms_strategies import QUICK

MIB = 1024 * 1024
V2 = "/sys/fs/cgroup"
LIMITS = "Max address space         {}            unlimited            bytes\n"
PROC = {
    "/proc/self/cgroup": "0::/app\n",
    "/proc/self/mountinfo": "30 25 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
    "/proc/self/limits": LIMITS.format("unlimited"),
    "/proc/self/status": "VmSize:\t 2048000 kB\nVmHWM:\t 300000 kB\nVmRSS:\t 204800 kB\n",
    "/proc/meminfo": "MemTotal:       16777216 kB\nMemFree:   1 kB\nMemAvailable:   8388608 kB\n",
}
MACHINE = Limit(LimitSource.MACHINE, "/proc/meminfo", 16_384 * MIB, 8_192 * MIB)


class Kernel(FakeShell):
    """A node that has these files; whatever else it is asked for is not there."""

    def __init__(self, files: Mapping[str, str], errors: Mapping[str, str] | None = None) -> None:
        super().__init__([])
        self._files = files
        self._errors = errors or {}

    async def evaluate(
        self,
        expression: Expression,
        bindings: Mapping[str, Term],
        *,
        deadline_seconds: float,
        max_heap_words: int = 0,
        max_answer_bytes: int = 1,
        is_sweep: bool = False,
    ) -> Evaluated:
        paths, most = bindings["Paths"], bindings["Max"]
        assert isinstance(paths, list)
        assert isinstance(most, int)
        self.value = [self._content(path, most) for path in paths]
        return await super().evaluate(
            expression,
            bindings,
            deadline_seconds=deadline_seconds,
            max_heap_words=max_heap_words,
            max_answer_bytes=max_answer_bytes,
            is_sweep=is_sweep,
        )

    def _content(self, path: Term, most: int) -> Term:
        assert isinstance(path, bytes)
        name = path.decode()
        if name in self._files:
            return self._files[name].encode()[:most]
        return Atom(self._errors.get(name, "enoent"))


async def ask(files: Mapping[str, str], errors: Mapping[str, str] | None = None) -> MemoryLimit:
    return await memory_limit.ask(Kernel(files, errors), 1.0)


async def test_the_limit_of_its_cgroup_is_the_nearest() -> None:
    found = await ask(
        PROC
        | {
            f"{V2}/app/memory.max": f"{512 * MIB}\n",
            f"{V2}/app/memory.current": f"{400 * MIB}\n",
            f"{V2}/app/memory.stat": f"anon 1\ninactive_file {100 * MIB}\n",
            f"{V2}/app/memory.events": "low 0\noom 4\noom_kill 2\n",
        }
    )
    own = Limit(LimitSource.CGROUP_V2, f"{V2}/app/memory.max", 512 * MIB, 400 * MIB, 100 * MIB)
    assert found == MemoryLimit((own, MACHINE), 200 * MIB, 300_000 * 1024, 2, ())
    assert found.nearest == own
    assert (own.needed_bytes, own.left_bytes) == (300 * MIB, 212 * MIB)


async def test_a_cgroup_above_that_is_nearer_to_its_limit_counts() -> None:
    found = await ask(
        PROC
        | {
            "/proc/self/cgroup": "0::/pod/app\n",
            f"{V2}/pod/app/memory.max": f"{512 * MIB}\n",
            f"{V2}/pod/app/memory.current": f"{100 * MIB}\n",
            f"{V2}/pod/memory.max": f"{1024 * MIB}\n",
            f"{V2}/pod/memory.current": f"{1000 * MIB}\n",
        }
    )
    assert found.nearest is not None
    assert found.nearest.file == f"{V2}/pod/memory.max"
    assert found.nearest.left_bytes == 24 * MIB


async def test_without_a_limit_of_its_own_the_machine_s_memory_counts_and_is_called_that() -> None:
    found = await ask(PROC | {f"{V2}/app/memory.max": "max\n", f"{V2}/app/memory.current": "7\n"})
    assert (found.limits, found.nearest, found.not_known) == ((MACHINE,), MACHINE, ())


async def test_version_1_says_a_huge_number_where_there_is_no_limit() -> None:
    folder = "/sys/fs/cgroup/memory/docker/abc"
    files = PROC | {
        "/proc/self/cgroup": "4:memory:/docker/abc\n0::/\n",
        "/proc/self/mountinfo": "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
        f"{folder}/memory.usage_in_bytes": f"{200 * MIB}\n",
        f"{folder}/memory.stat": "inactive_file 0\ntotal_inactive_file 4096\n",
        f"{folder}/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
    }
    unlimited = await ask(files | {f"{folder}/memory.limit_in_bytes": "9223372036854771712\n"})
    assert unlimited.limits == (MACHINE,)
    limited = await ask(files | {f"{folder}/memory.limit_in_bytes": f"{256 * MIB}\n"})
    own = Limit(LimitSource.CGROUP_V1, f"{folder}/memory.limit_in_bytes", 256 * MIB, 200 * MIB, 4096)
    assert limited.limits == (own, MACHINE)
    assert limited.memory_kills == 1


async def test_version_1_tells_the_limit_of_cgroups_that_are_out_of_sight() -> None:
    folder = "/sys/fs/cgroup/memory"
    found = await ask(
        PROC
        | {
            "/proc/self/cgroup": "4:memory:/docker/abc\n",
            "/proc/self/mountinfo": "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
            f"{folder}/memory.limit_in_bytes": "9223372036854771712\n",
            f"{folder}/memory.usage_in_bytes": f"{200 * MIB}\n",
            f"{folder}/memory.stat": f"hierarchical_memory_limit {300 * MIB}\n",
        }
    )
    assert found.limits[0].limit_bytes == 300 * MIB


async def test_the_address_space_counts_against_its_own_limit() -> None:
    found = await ask(PROC | {"/proc/self/limits": LIMITS.format(2000 * MIB + 1024)})
    assert found.nearest == Limit(LimitSource.ADDRESS_SPACE, "/proc/self/limits", 2000 * MIB + 1024, 2000 * MIB)
    assert found.nearest.left_bytes == 1024


async def test_a_limit_against_which_nobody_knows_what_counts_is_the_last() -> None:
    found = await ask(PROC | {f"{V2}/app/memory.max": f"{512 * MIB}\n"})
    assert found.limits[0].left_bytes is None
    assert found.nearest == MACHINE


async def test_elsewhere_than_on_linux_nothing_is_known_and_that_is_said() -> None:
    found = await ask({})
    assert (found.limits, found.nearest, found.resident_bytes, found.memory_kills) == ((), None, None, None)
    (why,) = found.not_known
    assert "not on Linux (enoent)" in why


@pytest.mark.parametrize("hidden", list(PROC))
async def test_a_file_that_may_not_be_read_is_named_with_the_reason(hidden: str) -> None:
    found = await ask({path: text for path, text in PROC.items() if path != hidden}, {hidden: "eacces"})
    assert any(hidden in each and "eacces" in each for each in found.not_known)


async def test_a_cgroup_whose_files_may_not_be_read_is_not_taken_for_one_without_a_limit() -> None:
    found = await ask(PROC, {f"{V2}/app/memory.max": "eacces"})
    assert found.not_known == (f"the limit of its cgroup: {V2}/app/memory.max is not read (eacces)",)


async def test_where_no_cgroup_is_mounted_that_is_said() -> None:
    found = await ask(PROC | {"/proc/self/mountinfo": ""})
    assert "none with a memory controller is mounted" in found.not_known[0]


async def test_every_read_is_bounded_and_has_a_deadline() -> None:
    shell = Kernel(PROC)
    await memory_limit.ask(shell, 1.0)
    assert len(shell.evaluations) == 2
    assert all(one.deadline_seconds <= 0.5 for one in shell.evaluations)
    assert [one.bindings["Max"] for one in shell.evaluations] == [64 * 1024, 8 * 1024]


async def test_a_question_that_fails_says_why() -> None:
    with pytest.raises(DeadlineExceeded):
        await memory_limit.ask(FakeShell(DeadlineExceeded("late")), 1.0)


# ----------------------------------------------------------------------------------------------------- nodes that lie

TRUTH: Sequence[Term] = [text.encode() for text in PROC.values()]


@pytest.mark.parametrize("answer", [Atom("ok"), [], list(TRUTH[:4]), [*TRUTH[:4], 1], [b"x" * 65_537, *TRUTH[:4]]])
async def test_a_shape_that_was_not_asked_for_is_an_unexpected_answer(answer: Term) -> None:
    with pytest.raises(UnexpectedAnswer):
        await memory_limit.ask(FakeShell(answer), 1.0)


@QUICK
@given(lies(list(TRUTH)))
async def test_whatever_a_node_says_ends_in_an_answer_or_an_unexpected_answer(answer: Term) -> None:
    with contextlib.suppress(UnexpectedAnswer):
        await memory_limit.ask(FakeShell(answer), 1.0)


async def test_no_part_of_the_answer_is_taken_for_granted() -> None:
    for answer in every_small_lie(list(TRUTH)):
        with contextlib.suppress(UnexpectedAnswer):
            await memory_limit.ask(FakeShell(answer), 1.0)
