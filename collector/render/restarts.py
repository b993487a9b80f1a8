"""The plan of a restart, as a person reads it before saying yes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from collector.render.parts import counted, facts_table, format_bytes, printable
from collector.restarts.models import PlanAnswer, PlanChild, PlanSupervisor, RestartRequest

_NAMED = 12  # names and children of each kind; how many there are stands before them
_TABLES = 10


def plan_facts(plan: PlanAnswer, request: RestartRequest) -> RenderableType:
    """Show what would happen, what would be lost, and what stands against it."""
    name = plan.child.id if plan.child else request.child
    instance = f", instance {printable(plan.node.instance_id)}" if plan.node.instance_id else ""
    head = Text.assemble(
        (f"{'Start' if plan.action == 'start' else 'Restart'} {printable(name)}", "bold"),
        f" on {printable(plan.node.name)}{instance}",
        (f"   plan {printable(plan.plan_id)}", "dim"),
    )
    facts = facts_table()
    if plan.supervisor is not None:
        facts.add_row("supervisor", _supervisor(plan.supervisor))
    if plan.child is not None:
        _add_child(facts, plan.child)
    if plan.service_health is not None:
        facts.add_row("/health now", Text(printable(plan.service_health)))
    for warning in plan.warnings:
        facts.add_row("note", Text(printable(warning), "yellow"))
    if plan.next_step is not None:
        step = plan.next_step
        todo = f": {step.command}" if step.command else ""
        facts.add_row("if that does not help", Text(printable(f"{step.supervisor}{todo} ({step.detail})")))
    return Group(head, Text(), facts, *_verdict(plan))


def _supervisor(one: PlanSupervisor) -> Text:
    text = Text(printable(f"{one.name or 'unnamed'} {one.pid}"))
    if one.strategy is not None:
        text.append(f"  {printable(one.strategy)}", "dim")
    if one.budget_left is not None:
        left = f"{one.budget_left} of {one.intensity} restarts left in {one.period_seconds} s"
        text.append(f", {left}, of which this uses none", "dim")
    return text


def _add_child(facts: Table, child: PlanChild) -> None:
    state = child.state if child.pid else "has no process"
    kind = ", ".join(printable(word) for word in (child.type, child.restart, state) if word)
    facts.add_row("child", Text.assemble(printable(f"{child.id} {child.pid or ''}".rstrip()), (f"  {kind}", "dim")))
    if child.processes:
        named = f", {counted(child.names_count, 'name')}: {_some(child.names)}" if child.names else ""
        facts.add_row("will end", Text(f"{counted(child.processes, 'process', 'processes')} at least{named}"))
    if child.children_lost_count:
        facts.add_row("will be lost", Text(f"{_children(child)}, which no restart brings back", "bold red"))
    if child.tables_lost_count:
        what = f"{counted(child.rows_lost, 'row')}, {format_bytes(child.bytes_lost)}, with their owners"
        facts.add_row("will be lost", Text(f"{what}, in {counted(child.tables_lost_count, 'table')}:", "bold red"))
        for table in child.tables_lost[:_TABLES]:
            owner = table.owner_name or table.owner
            size = f"{counted(table.rows, 'row')}, {format_bytes(table.memory_bytes)}, of {owner}"
            facts.add_row("", Text(printable(f"{table.name}  {size}")))
        if child.tables_lost_count > _TABLES:
            facts.add_row("", Text(f"and {child.tables_lost_count - _TABLES} more"))
    for table in child.tables_kept[:_TABLES]:
        facts.add_row("is kept", Text(printable(f"{table.name}, {counted(table.rows, 'row')}: {table.heir} gets it")))
    if child.processes:
        limit = child.shutdown_limit_seconds
        facts.add_row("shutdown", "as long as it takes" if limit is None else f"{limit:g} s at most")


def _children(child: PlanChild) -> str:
    return f"{counted(child.children_lost_count, 'child', 'children')}: {_some(child.children_lost)}"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(printable(name) for name in names[:_NAMED])
    return f"{shown}, …" if len(names) > _NAMED else shown


def _verdict(plan: PlanAnswer) -> Iterator[RenderableType]:
    yield Text()
    if plan.allowed:
        yield Text("Nothing stands against it.", "green")
        return
    yield Text("Refused:", "bold red")
    refusals = facts_table()
    for one in plan.refusals:
        again = f" (again in {one.retry_after_seconds} s)" if one.retry_after_seconds else ""
        refusals.add_row(Text(printable(one.guard), "red"), Text(printable(one.detail) + again))
    yield refusals
    if plan.child is not None and {one.guard for one in plan.refusals} <= {"data-loss", "children-lost"}:
        yield Text()
        yield Text("If all of that may be lost, add:")
        # In lines that a shell takes as one: folded by the terminal's width, the first would be a command of its own.
        yield Text(" \\\n".join(f"  {printable(option)}" for option in accepting(plan.child)), "bold")


def accepting(child: PlanChild) -> list[str]:
    """Return the options that accept what would be lost: whom to ask is for the person to repeat."""
    names = [f"--accept-data-loss {shlex.quote(name)}" for name in child.tables_to_accept]
    return [*names, *(["--accept-lost-children"] if child.children_lost_count else [])]
