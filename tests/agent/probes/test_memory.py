from __future__ import annotations

import pytest

from agent.errors import UnexpectedAnswer
from agent.probes import memory
from agent.terms import Atom, Term
from tests.fakes import FakeCaller

SIZES = {
    "total": 300,
    "processes": 100,
    "processes_used": 90,
    "system": 200,
    "atom": 20,
    "atom_used": 15,
    "binary": 40,
    "code": 50,
    "ets": 60,
}


def answer(sizes: dict[str, int]) -> Term:
    return [(Atom(kind), size) for kind, size in sizes.items()]


async def test_every_kind_has_its_place() -> None:
    found = await memory.ask(FakeCaller({"erlang:memory": answer(SIZES)}), 1.0)
    assert {kind: getattr(found, kind) for kind in SIZES} == SIZES


async def test_a_kind_that_we_do_not_know_is_ignored() -> None:
    found = await memory.ask(FakeCaller({"erlang:memory": answer({**SIZES, "maximum": 9})}), 1.0)
    assert found.total == 300


@pytest.mark.parametrize("kind", list(SIZES))
async def test_a_kind_that_is_missing_is_an_error_and_not_zero(kind: str) -> None:
    without = {name: size for name, size in SIZES.items() if name != kind}
    with pytest.raises(UnexpectedAnswer, match=kind):
        await memory.ask(FakeCaller({"erlang:memory": answer(without)}), 1.0)


async def test_an_answer_of_another_shape_is_an_error() -> None:
    with pytest.raises(UnexpectedAnswer):
        await memory.ask(FakeCaller({"erlang:memory": Atom("notsup")}), 1.0)
