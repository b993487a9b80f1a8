from __future__ import annotations

import contextlib
import sys

import pytest
from hypothesis import given

from agent.errors import DeadlineExceeded, UnexpectedAnswer
from agent.probes import supervision_tree
from agent.probes.supervision_tree import MAX_APPLICATIONS, MAX_LEVELS, Root, SupervisionTree
from agent.supervision import Child, ChildState, Counts, Kind, Status, Supervisor
from agent.terms import FALSE, TRUE, UNDEFINED, Atom, Pid, Term
from tests.agent.probes.supervisor_terms import (
    NONE,
    columns,
    declared,
    looked_at,
    pid,
    running,
    told,
    worker,
)
from tests.fakes import FakeShell
from tests.lies import every_small_lie, lies
from tests.terms_strategies import QUICK

TOP = 50
TAI: Term = (Atom("tai_autonomics"), [pid(TOP)])
ONE_WORKER = worker("receipt_store", pid(60))


APPLICATIONS: Term = [TAI]


def answer(
    *found: tuple[int, Term], applications: Term = APPLICATIONS, extra: tuple[Term, ...] = (), words: Term = 8
) -> tuple[Term, ...]:
    """What ``supervision_tree.expr`` gives: supervisors by the number of their pid."""
    return (applications, list(extra), [(pid(number), looked) for number, looked in found], words)


async def ask(*found: tuple[int, Term], applications: Term = APPLICATIONS) -> SupervisionTree:
    return await supervision_tree.ask(FakeShell(answer(*found, applications=applications)), 1.0)


async def top(looked: Term) -> Supervisor:
    """The supervisor at the top, from what is told of it."""
    (root,) = (await ask((TOP, looked))).roots
    assert root.supervisor is not None
    return root.supervisor


async def test_every_field_has_its_place() -> None:
    found = await ask((TOP, running(ONE_WORKER, name=Atom("tai_autonomics_sup"))))
    store = Child(
        id="receipt_store",
        pid="<0.60.0>",
        state=ChildState.RUNNING,
        type="worker",
        restart="permanent",
        shutdown=5000,
        significant=False,
        modules=("tai_worker",),
    )
    root = Supervisor(
        pid="<0.50.0>",
        name="tai_autonomics_sup",
        status=Status.RUNNING,
        kind=Kind.SUPERVISOR,
        module="tai_sup",
        initial_call="supervisor:tai_sup/1",
        strategy="one_for_one",
        intensity=5,
        period_seconds=60,
        restarts=0,
        counts=Counts(running=1),
        children=(store,),
        heap_bytes=8_000,
    )
    assert found == SupervisionTree((Root("tai_autonomics", None, root),))
    assert found.complete


async def test_the_whole_is_one_sweep_with_names_as_binaries() -> None:
    shell = FakeShell(answer(extra=(UNDEFINED,)))
    await supervision_tree.ask(shell, 10.0, extra_roots=["ex_sup"])
    (asked,) = shell.evaluations
    assert asked.is_sweep
    assert (asked.bindings["Below"], asked.bindings["With_applications"]) == ([b"ex_sup"], TRUE)
    assert asked.bindings["Milliseconds"] == 7_000


async def test_below_one_supervisor_there_are_no_applications() -> None:
    shell = FakeShell(answer(applications=[], extra=((pid(9), FALSE),)))
    (root,) = (await supervision_tree.ask(shell, 1.0, below=pid(9), extra_roots=["ex_sup"])).roots
    assert (root.asked_for, root.application) == ("<0.9.0>", None)
    (asked,) = shell.evaluations
    assert (asked.bindings["Below"], asked.bindings["With_applications"]) == ([pid(9)], FALSE)


async def test_supervisors_stand_below_their_parents_in_order() -> None:
    found = await ask(
        (TOP, running(declared("governance_sup", pid(51)), declared("cluster_sup", pid(52)), name=Atom("top"))),
        (51, running(declared("billing_sup", pid(53)), name=Atom("governance_sup"))),
        (52, running(name=Atom("cluster_sup"))),
        (53, running(name=Atom("billing_sup"))),
    )
    assert [one.name for one in found.supervisors()] == ["top", "governance_sup", "billing_sup", "cluster_sup"]
    assert found.complete


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("suspended", Status.SUSPENDED),
        ("not_answering", Status.NOT_ANSWERING),
        ("too_large", Status.TOO_LARGE),
        ("unknown_state", Status.UNKNOWN_STATE),
    ],
)
async def test_one_that_got_no_question_has_unknown_children_and_says_where_it_is(
    status: str, expected: Status
) -> None:
    found = await ask((TOP, looked_at(NONE, status=status)))
    (one,) = found.supervisors()
    assert (one.status, one.children, one.counts, one.budget_left) == (expected, None, None, None)
    assert (one.current_function, one.message_queue_len) == ("proc_lib:sync_start_link/2", 0)
    assert found.left_out == (f"the children of supervisors: 1 {expected}",)


async def test_what_is_no_supervisor_leaves_nothing_out() -> None:
    pool = looked_at(NONE, status="not_a_supervisor", call=(Atom("noted"), (Atom("poolboy"), Atom("init"), 1)))
    found = await ask((TOP, running(declared("action_pool", pid(51)))), (51, pool))
    assert [one.status for one in found.supervisors()] == [Status.RUNNING, Status.NOT_A_SUPERVISOR]
    assert [one.initial_call for one in found.supervisors()][1] == "poolboy:init/1"
    assert found.complete


async def test_a_process_without_an_initial_call_of_proc_lib_shows_what_was_spawned() -> None:
    spawned: Term = (Atom("spawned"), (Atom("erlang"), Atom("apply"), 2))
    found = await top(looked_at(NONE, status="not_a_supervisor", call=spawned))
    assert (found.initial_call, found.module, found.kind) == ("erlang:apply/2", None, None)


async def test_an_unknown_kind_is_not_called_no_supervisor() -> None:
    found = await top(looked_at(NONE, status="kind_unknown", call=Atom("unknown")))
    assert (found.status, found.kind, found.initial_call) == (Status.KIND_UNKNOWN, None, None)


def noted(module: str, callback: str) -> Term:
    return (Atom("noted"), (Atom(module), Atom(callback), 1))


@pytest.mark.parametrize(
    ("call", "shape", "kind", "module"),
    [
        (noted("supervisor", "tai_sup"), "record", Kind.SUPERVISOR, "tai_sup"),
        (noted("supervisor", "tai_sup"), None, Kind.SUPERVISOR, "tai_sup"),
        (noted("supervisor", "Elixir.My.Sup"), "record", Kind.ELIXIR_SUPERVISOR, "Elixir.My.Sup"),
        (noted("supervisor", "Elixir.My.Sup"), "elixir", Kind.DYNAMIC_SUPERVISOR, "Elixir.My.Sup"),
        (noted("supervisor", "Elixir.My.Sup"), None, None, "Elixir.My.Sup"),
        (noted("supervisor", "my_sup"), "elixir", Kind.DYNAMIC_SUPERVISOR, "my_sup"),
        (noted("supervisor", "Elixir.Task.Supervisor"), "elixir", Kind.TASK_SUPERVISOR, "Elixir.Task.Supervisor"),
        (noted("supervisor", "Elixir.Task.Supervisor"), None, Kind.TASK_SUPERVISOR, "Elixir.Task.Supervisor"),
        (
            noted("supervisor", "Elixir.PartitionSupervisor"),
            "record",
            Kind.PARTITION_SUPERVISOR,
            "Elixir.PartitionSupervisor",
        ),
        (noted("supervisor2", "init"), "record", Kind.SUPERVISOR2, "rabbit_sup"),
        (noted("supervisor2", "init"), None, Kind.SUPERVISOR2, None),
        (noted("ranch_conns_sup", "init"), None, Kind.RANCH_CONNS_SUP, None),
        (noted("supervisor_bridge", "user_sup"), None, Kind.SUPERVISOR_BRIDGE, "user_sup"),
    ],
)
async def test_kind_and_module(call: Term, shape: str | None, kind: Kind | None, module: str | None) -> None:
    of_its_own: Term = Atom("rabbit_sup") if kind is Kind.SUPERVISOR2 else UNDEFINED
    said = NONE if shape is None else told((Atom("listed"), columns()), shape=shape, module=of_its_own)
    found = await top(looked_at(said, status="not_answering" if shape is None else "idle", call=call))
    assert (found.kind, found.module) == (kind, module)


async def test_ranch_tells_only_how_many_connections_there_are() -> None:
    listing: Term = (Atom("not_listed"), Atom("kind"), (3, 0, 0))
    said = told(listing, shape="ranch", strategy=UNDEFINED, budget=(UNDEFINED, UNDEFINED, Atom("unknown")))
    found = await top(looked_at(said, call=noted("ranch_conns_sup", "init")))
    assert (found.status, found.counts, found.children) == (Status.RUNNING, Counts(running=3), None)
    assert (found.strategy, found.budget_left) == (None, None)


async def test_what_hibernates_where_suspended_does_not_show_may_be_suspended() -> None:
    found = await top(looked_at(told((Atom("listed"), columns())), status="hibernating"))
    assert (found.status, found.may_be_suspended, found.children) == (Status.RUNNING, True, ())


async def test_an_unknown_state_that_named_its_children_has_them_and_no_budget() -> None:
    said = told(
        (Atom("listed"), columns(ONE_WORKER)),
        shape="unknown",
        strategy=UNDEFINED,
        budget=(UNDEFINED, UNDEFINED, Atom("unknown")),
    )
    found = await ask((TOP, looked_at(said)))
    (one,) = found.supervisors()
    assert (one.status, one.counts, one.budget_left) == (Status.UNKNOWN_STATE, Counts(running=1), None)
    assert found.complete


@pytest.mark.parametrize("why", ["cap", "total", "kind"])
async def test_children_that_are_only_counted_are_left_out_and_it_is_said_why(why: str) -> None:
    listing: Term = (Atom("not_listed"), Atom(why), (200_000, 2, 1))
    found = await ask((TOP, looked_at(told(listing))))
    (one,) = found.supervisors()
    assert (one.children, one.counts) == (None, Counts(running=200_000, restarting=2, undefined=1))
    assert found.left_out == (f"200003 children are counted and not listed: {one.why_not_listed}",)


async def test_nothing_is_left_out_where_there_are_no_children() -> None:
    assert (await ask((TOP, looked_at(told((Atom("not_listed"), Atom("kind"), (0, 0, 0))))))).complete


async def test_each_state_of_a_child() -> None:
    restarting = Atom("restarting")
    children = [
        worker("alive", pid(60)),
        worker("dead", pid(61)),
        worker("remote", Pid(Atom("other@127.0.0.1"), 62, 0, 1)),
        worker("earlier_life", pid(63)),
        worker("again", (restarting, pid(64))),
        worker("again_by_name", restarting),
        worker("none", UNDEFINED),
        worker("odd", b"a pid, says the node"),
    ]
    found = await top(running(*children, dead=(pid(61),), elsewhere=(pid(63),)))
    assert found.children is not None
    assert [(child.id, child.pid, child.state) for child in found.children] == [
        ("alive", "<0.60.0>", ChildState.RUNNING),
        ("dead", "<0.61.0>", ChildState.TERMINATED),
        ("remote", "<0.62.0> on other@127.0.0.1", ChildState.UNKNOWN),
        ("earlier_life", "<0.63.0>", ChildState.UNKNOWN),
        ("again", None, ChildState.RESTARTING),
        ("again_by_name", None, ChildState.RESTARTING),
        ("none", None, ChildState.UNDEFINED),
        ("odd", None, ChildState.UNKNOWN),
    ]
    assert found.counts == Counts(running=1, restarting=2, terminated=1, undefined=1, unknown=3)


async def test_words_that_are_no_atoms_are_printed() -> None:
    permanent: Term = (Atom("permanent"), 5)
    listed = list(columns(ONE_WORKER))
    listed[3:7] = [[permanent], [Atom("brutal_kill")], [UNDEFINED], [Atom("dynamic")]]
    (child,) = (await top(looked_at(told((Atom("listed"), tuple(listed)))))).children or ()
    assert (child.restart, child.shutdown, child.significant, child.modules) == (
        "{permanent,5}",
        "brutal_kill",
        None,
        (),
    )


async def test_a_supervisor_that_died_before_it_was_looked_at_is_gone() -> None:
    found = await ask((TOP, running(declared("governance_sup", pid(51)))), (51, Atom("gone")))
    assert [one.status for one in found.supervisors()] == [Status.RUNNING, Status.GONE]


async def test_one_that_was_not_reached_says_so() -> None:
    found = await ask((TOP, running(declared("governance_sup", pid(51)))))
    assert [one.status for one in found.supervisors()] == [Status.RUNNING, Status.NOT_LOOKED_AT]
    assert found.left_out == ("the children of supervisors: 1 not looked at",)


@pytest.mark.parametrize("process", [UNDEFINED, Atom("restarting"), Pid(Atom("other@h"), 51, 0, 1)])
async def test_below_a_child_that_is_not_running_here_there_is_nothing(process: Term) -> None:
    found = await ask((TOP, running(declared("governance_sup", process))), (51, running()))
    assert [one.pid for one in found.supervisors()] == ["<0.50.0>"]


async def test_an_application_that_is_starting_has_no_tree_yet() -> None:
    found = await ask(applications=[(Atom("tai_autonomics"), [])])
    assert found.roots == (Root("tai_autonomics", None, None, "it has no top process: it is starting or ending"),)


async def test_an_application_with_two_top_processes_is_there_twice() -> None:
    found = await ask((50, running()), (51, running()), applications=[(Atom("odd"), [pid(50), pid(51)])])
    assert [(root.application, root.supervisor and root.supervisor.pid) for root in found.roots] == [
        ("odd", "<0.50.0>"),
        ("odd", "<0.51.0>"),
    ]


async def test_extra_roots_say_what_became_of_them() -> None:
    shell = FakeShell(
        answer((TOP, running()), (70, running(ONE_WORKER)), extra=((pid(TOP), TRUE), (pid(70), FALSE), UNDEFINED))
    )
    found = await supervision_tree.ask(shell, 1.0, extra_roots=["inside", "outside", "nobody"])
    _, inside, outside, nobody = found.roots
    assert (inside.asked_for, inside.supervisor, inside.why) == (
        "inside",
        None,
        "it stands in the tree of an application",
    )
    assert outside.supervisor is not None
    assert outside.supervisor.counts == Counts(running=1)
    assert (nobody.supervisor, nobody.why) == (None, "nobody is registered under this name")


async def test_applications_beyond_the_limit_are_left_out() -> None:
    many: Term = [(Atom(f"app{number}"), []) for number in range(MAX_APPLICATIONS + 1)]
    found = await ask(applications=many)
    assert len(found.roots) == MAX_APPLICATIONS
    assert not found.complete


async def test_a_supervisor_that_names_itself_or_its_parent_is_taken_once() -> None:
    found = await ask(
        (TOP, running(declared("itself", pid(TOP)), declared("below", pid(51)))),
        (51, running(declared("parent", pid(TOP)), declared("itself", pid(51)))),
    )
    assert [one.status for one in found.supervisors()].count(Status.RUNNING) == 2


async def test_a_node_that_gives_a_tree_without_end_is_cut_off() -> None:
    deep = [(number, running(declared("below", pid(number + 1)))) for number in range(TOP, TOP + 5_000)]
    assert len(deep) > sys.getrecursionlimit()
    found = await ask(*deep)
    assert len(list(found.supervisors())) == MAX_LEVELS + 1
    assert not found.complete


@pytest.mark.parametrize("error", [DeadlineExceeded("no answer"), UnexpectedAnswer("no term")])
async def test_errors_of_the_question_are_the_probe_s(error: Exception) -> None:
    with pytest.raises(type(error)):
        await supervision_tree.ask(FakeShell(error), 1.0)


LIES: dict[str, Term] = {
    "nothing": UNDEFINED,
    "no tuple": [1, 2],
    "an application is no pair": answer(applications=[Atom("kernel")]),
    "a supervisor is no pair": (*answer()[:2], [pid(1)], 8),
    "a status that is none": answer((TOP, looked_at(NONE, status="asleep"))),
    "columns of different lengths": answer(
        (TOP, looked_at(told((Atom("listed"), (*columns(ONE_WORKER)[:8], [], [])))))
    ),
    "an id without a process": answer((TOP, looked_at(told((Atom("listed"), ([b"a"], [], *columns()[2:])))))),
    "words of no size": answer(words=0),
    "another number of extra roots": answer(extra=(UNDEFINED,)),
    "a heap of negative size": answer((TOP, (*looked_at(NONE)[:5], -1, NONE))),
}


@pytest.mark.parametrize("lie", list(LIES))
async def test_a_shape_that_was_not_asked_for_is_an_unexpected_answer(lie: str) -> None:
    with pytest.raises(UnexpectedAnswer):
        await supervision_tree.ask(FakeShell(LIES[lie]), 1.0)


TRUTH = answer(
    (TOP, running(declared("governance_sup", pid(51)), ONE_WORKER, dead=(pid(60),), elsewhere=(pid(61),))),
    (51, looked_at(told((Atom("not_listed"), Atom("cap"), (5, 0, 1))))),
    (52, looked_at(NONE, status="suspended")),
    (53, Atom("gone")),
)


@given(said=lies(TRUTH))
@QUICK
async def test_whatever_a_node_says_ends_in_an_answer_or_an_unexpected_answer(said: Term) -> None:
    with contextlib.suppress(UnexpectedAnswer):
        await supervision_tree.ask(FakeShell(said), 1.0)


@pytest.mark.no_cover  # to measure its lines takes three times as long, and others run them too
async def test_no_part_of_the_answer_is_taken_for_granted() -> None:
    for said in every_small_lie(TRUTH):
        with contextlib.suppress(UnexpectedAnswer):
            await supervision_tree.ask(FakeShell(said), 1.0)
