from __future__ import annotations

from dataclasses import asdict

import pytest

from agent.probes import system_info
from agent.terms import Atom, Term
from tests.fakes import FakeCaller

FALSE, TRUE, UNKNOWN = Atom("false"), Atom("true"), Atom("unknown")


async def ask(answers: list[Term]) -> dict[str, int | bool | None]:
    return asdict(await system_info.ask(FakeCaller({"lists:zipwith3": answers}), 1.0))


async def test_every_value_has_its_place() -> None:
    found = await ask([*range(100, 119), TRUE, FALSE, TRUE])
    numbers = {name: value for name, value in found.items() if not isinstance(value, bool)}
    assert list(numbers.values()) == list(range(100, 119))
    assert list(numbers)[:9] == [
        "processes",
        "process_limit",
        "ports",
        "port_limit",
        "atoms",
        "atom_limit",
        "ets_tables",
        "ets_limit",
        "dets_tables",
    ]
    assert (found["smp_support"], found["threads"], found["time_correction"]) == (True, False, True)


async def test_what_the_node_does_not_know_is_none_and_not_zero() -> None:
    assert set((await ask([UNKNOWN] * 22)).values()) == {None}


@pytest.mark.parametrize(("answer", "tables"), [(Atom("undefined"), 0), (3, 3)])
async def test_no_registry_of_dets_tables_means_that_none_is_open(answer: Term, tables: int) -> None:
    answers: list[Term] = [*range(8), answer, *range(10), TRUE, TRUE, TRUE]
    assert (await ask(answers))["dets_tables"] == tables


async def test_dets_itself_is_not_asked() -> None:
    # dets:all/0 starts dets' supervisor and server on a node that never had them (stdlib's dets_server.erl).
    caller = FakeCaller({"lists:zipwith3": [1] * 19 + [TRUE] * 3})
    await system_info.ask(caller, 1.0)
    ((_, (_, modules, _, _)),) = caller.calls
    assert isinstance(modules, list)
    assert Atom("dets") not in modules
