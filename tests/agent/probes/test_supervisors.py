from __future__ import annotations

from collections.abc import Sequence

from agent.errors import RemoteError
from agent.probes import supervisors
from agent.probes.supervisors import Supervisor
from agent.terms import Atom, Pid, Term
from tests.fakes import FakeCaller


class FakeNode(FakeCaller):
    """A node with these atoms, of which some are registered to processes, of which some are alive."""

    def __init__(self, atoms: set[str], registered: dict[str, Pid], dead: set[Pid]) -> None:
        self._atoms, self._registered, self._dead = atoms, registered, dead
        super().__init__(
            {"lists:zipwith3": self._zip} | {f"erlang:{name}": getattr(self, name) for name in self._known}
        )

    _known = ("binary_to_existing_atom", "whereis", "is_process_alive")

    def binary_to_existing_atom(self, arguments: Sequence[Term]) -> Term:
        (name,) = arguments
        assert isinstance(name, bytes)
        if name.decode() not in self._atoms:
            raise RemoteError(Atom("error"), Atom("badarg"))
        return Atom(name.decode())

    def whereis(self, arguments: Sequence[Term]) -> Term:
        (name,) = arguments
        assert isinstance(name, Atom)
        return self._registered.get(name.name, Atom("undefined"))

    def is_process_alive(self, arguments: Sequence[Term]) -> Term:
        return Atom("false" if arguments[0] in self._dead else "true")

    def _zip(self, arguments: Sequence[Term]) -> Term:
        _, _, functions, argument_lists = arguments
        assert isinstance(functions, list)
        assert isinstance(argument_lists, list)
        return [getattr(self, f.name)(a) for f, a in zip(functions, argument_lists, strict=True)]  # type: ignore[union-attr]  # atoms


GOVERNANCE = Pid(Atom("n"), 123, 0, 1)
CLUSTER = Pid(Atom("n"), 124, 0, 1)


async def test_each_name_is_told_in_the_order_given() -> None:
    node = FakeNode({"governance_sup", "cluster_sup"}, {"governance_sup": GOVERNANCE, "cluster_sup": CLUSTER}, set())
    found = await supervisors.ask(["governance_sup", "cluster_sup"], node, 1.0)
    assert found.expected == (Supervisor("governance_sup", "<0.123.0>"), Supervisor("cluster_sup", "<0.124.0>"))
    assert found.missing == ()


async def test_a_name_that_nobody_bears_is_missing() -> None:
    node = FakeNode({"governance_sup", "cluster_sup"}, {"cluster_sup": CLUSTER}, set())
    assert (await supervisors.ask(["governance_sup", "cluster_sup"], node, 1.0)).missing == ("governance_sup",)


async def test_a_name_that_is_no_atom_there_is_missing_and_does_not_become_one() -> None:
    node = FakeNode({"cluster_sup"}, {"cluster_sup": CLUSTER}, set())
    found = await supervisors.ask(["never_heard_of", "cluster_sup"], node, 1.0)
    assert found.expected == (Supervisor("never_heard_of", None), Supervisor("cluster_sup", "<0.124.0>"))
    sent = str([call for call in node.calls if call[0] != "erlang:binary_to_existing_atom"])
    assert "Atom('never_heard_of')" not in sent


async def test_a_process_that_is_ending_under_its_name_is_not_running() -> None:
    node = FakeNode({"governance_sup"}, {"governance_sup": GOVERNANCE}, {GOVERNANCE})
    assert (await supervisors.ask(["governance_sup"], node, 1.0)).missing == ("governance_sup",)


async def test_without_expectations_nothing_is_asked() -> None:
    node = FakeNode(set(), {}, set())
    assert (await supervisors.ask([], node, 1.0)).expected == ()
    assert node.calls == []
