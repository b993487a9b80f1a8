"""``beamwarden restart``: the plan, a question, and what became of it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from agent.actions.guards import Guard
from collector.command_line.client import Collector, Direct
from collector.command_line.consent import (
    AsJson,
    DryRun,
    Exit,
    Reason,
    Yes,
    ask_consent,
    check_consent,
    print_json,
    printable_lines,
)
from collector.command_line.showing import finding, make_console, query_of
from collector.render.parts import printable
from collector.render.restarts import plan_facts
from collector.restarting import (
    LocalOperator,
    LostSight,
    Operator,
    RefusedByGuards,
    RefusedWithoutPlan,
    RemoteOperator,
)
from collector.restarts.models import RestartAnswer, RestartRequest, RestartState

app = typer.Typer()


_EXITS = {
    RestartState.DONE: Exit.DONE,
    RestartState.FAILED: Exit.DOWN,
    RestartState.NOT_DONE: Exit.REFUSED,
    RestartState.REFUSED: Exit.REFUSED,
}
_EPILOG = (
    "Ends with 0 when the child is up (with --dry-run: when nothing stands against it), 1 without an answer or such a "
    "child, 2 when an option is wrong, 3 when it was refused, by a guard, for lack of a right or by you, 4 when the "
    "child is down or it did not hold, 5 when what became of it is not known."
)
ACTING = (
    "journal", "service_url", "watch_minutes", "restart_applications", "restart_denied_applications",
    "restart_cooldown_seconds", "restart_max_actions", "restart_window_seconds", "restart_retries",
)  # fmt: skip


@app.command("restart", epilog=_EPILOG)
@finding(*ACTING)
def restart(  # noqa: PLR0913  # as many as it has options
    source: Collector | Direct,
    child: Annotated[str, typer.Argument(help="its id, its pid or its registered name")],
    *,
    under: Annotated[
        str | None, typer.Option("--under", metavar="SUPERVISOR", help="the supervisor that has it (default: its own)")
    ] = None,
    reason: Reason = "",
    accept_data_loss: Annotated[
        list[str], typer.Option("--accept-data-loss", metavar="TABLE", help="a table whose rows may be lost; repeat it")
    ] = [],  # noqa: B006  # typer's way; it is not changed
    accept_lost_children: Annotated[
        bool, typer.Option("--accept-lost-children", help="children may be lost that no restart brings back")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="wait until it is known whether it holds (watch_minutes)")
    ] = False,
    json: AsJson = False,
) -> None:
    """Restart a supervisor's child, after showing the plan."""
    request = query_of(
        RestartRequest,
        child=child,
        supervisor=under,
        reason=reason,
        accept_data_loss=accept_data_loss,
        accept_lost_children=accept_lost_children,
    )
    operator: Operator = RemoteOperator(source) if isinstance(source, Collector) else LocalOperator(source)
    check_consent(dry_run=dry_run, yes=yes, json=json, reason=reason)
    try:
        ended = _plan_and_do(
            operator, request, _Asking(is_dry_run=dry_run, is_agreed=yes, until_held=wait, is_json=json)
        )
    except RefusedWithoutPlan as refused:
        sys.stderr.write(f"beamwarden: {printable(str(refused))}\n")
        ended = Exit.REFUSED
    sys.exit(ended)


@dataclass(frozen=True, slots=True)
class _Asking:
    """How the person wants it."""

    is_dry_run: bool
    is_agreed: bool
    until_held: bool
    is_json: bool


def _plan_and_do(operator: Operator, request: RestartRequest, asking: _Asking) -> Exit:
    console = make_console()
    if asking.is_dry_run:
        plan = operator.plan(request)
        print_json(plan) if asking.is_json else console.print(plan_facts(plan, request))
        return Exit.DONE if plan.allowed else Exit.REFUSED
    if asking.is_agreed:
        ended = _do(console, operator, _show_first(console, operator, request, asking), asking)
        return Exit.REFUSED if ended is None else ended
    while True:
        plan = operator.plan(request)
        console.print(plan_facts(plan, request))
        if not plan.allowed:
            return Exit.REFUSED
        request = ask_consent(console, request).model_copy(update={"plan_id": plan.plan_id})
        ended = _do(console, operator, request, asking)
        if ended is not None:
            return ended
        console.print(Text("\nThat is not so any more. As it is now:\n", "yellow"))


def _show_first(console: Console, operator: Operator, request: RestartRequest, asking: _Asking) -> RestartRequest:
    """Show the plan also to who has agreed before, and hold on to it. What is refused is asked for all the same."""
    if asking.is_json:
        return request
    plan = operator.plan(request)
    if not plan.allowed:  # asked for, it comes back as it is now, and the journal has who wanted it
        return request
    console.print(plan_facts(plan, request))
    return request.model_copy(update={"plan_id": plan.plan_id})


def _do(console: Console, operator: Operator, request: RestartRequest, asking: _Asking) -> Exit | None:
    """Restart, and show what became of it. None: nothing was done, since the plan is not true any more."""
    begun: list[RestartAnswer] = []

    def tell(told: RestartAnswer) -> None:
        begun.append(told)
        _tell(console, told, asking)

    try:
        answer = operator.restart(request, tell, until_held=asking.until_held)
    except RefusedByGuards as refused:
        is_changed = any(one.guard == Guard.PLAN_CHANGED for one in refused.refusals)
        if is_changed and not asking.is_agreed:
            return None
        print_json(refused.plan) if asking.is_json else console.print(plan_facts(refused.plan, request))
        return Exit.REFUSED
    except LostSight as lost:
        sys.stderr.write(f"beamwarden: {printable(str(lost))}. `beamwarden audit` says it when it is known\n")
        return Exit.UNKNOWN
    except KeyboardInterrupt:
        what = "On the node it goes on" if begun else "Whether it has begun is not known"
        sys.stderr.write(f"\nNot waiting any more. {what}; `beamwarden audit` says how it ended.\n")
        return Exit.UNKNOWN
    print_json(answer) if asking.is_json else console.print(Text(printable_lines(answer.text)))
    if answer.held is False:
        return Exit.DOWN
    if asking.until_held and answer.held is None and answer.state is RestartState.DONE:
        return Exit.UNKNOWN
    return _EXITS.get(answer.state, Exit.UNKNOWN)


def _tell(console: Console, told: RestartAnswer, asking: _Asking) -> None:
    if asking.is_json:
        return
    if told.state is RestartState.RUNNING:
        console.print(Text(f"\nBegun as {told.id}. Ctrl-C ends only the waiting: it goes on on the node.\n", "dim"))
    else:
        console.print(Text(printable_lines(told.text)))
        console.print()
