"""A restart in words: one block that is fit to be pasted into a chat."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from collector.diagnosis.commands import BY_NAME
from collector.diagnosis.shell_commands import Place, fill
from collector.restarts.models import RestartAnswer, RestartState, Verdict

# The last line of the playbook's Full Rollback. The journal, which this is told from, knows of no place; and which
# revision was good nobody here knows.
ROLLBACK = fill(BY_NAME["rollback"], Place())[-1]

_HEADLINES = {
    RestartState.RUNNING: "{} UNDER WAY",
    RestartState.DONE: "{}ED",
    RestartState.FAILED: "DOWN, its {} failed",
    RestartState.NOT_DONE: "NOT {}ED, nothing was changed",
    RestartState.UNKNOWN: "{} OF UNKNOWN OUTCOME",
    RestartState.REFUSED: "{} REFUSED, nothing was changed",
}


def describe(told: RestartAnswer, found: str | None, after_watch: str | None) -> str:
    """Put an action into words. ``found`` is what was found out about its end, ``after_watch`` how the watch ended."""
    # A name or a reason with a line of its own could say anything in our name.
    return "\n".join(" ".join(line.split()) for line in _lines(told, found, after_watch))


def command(told: RestartAnswer) -> str:
    """Return what to type to try it again."""
    under = f" --under {shlex.quote(told.supervisor)}" if told.supervisor else ""
    return f"beamwarden restart {shlex.quote(told.child)}{under}"


def _lines(told: RestartAnswer, found: str | None, after_watch: str | None) -> Iterator[str]:
    below = f" below {told.supervisor}" if told.supervisor else ""
    what = told.action or "restart"
    headline = _HEADLINES[told.state].format(what if told.state is RestartState.FAILED else what.upper())
    yield f"{headline}: {told.child}{below}, on {told.node}"
    why = f', because "{told.reason}"' if told.reason else ""
    yield f"asked for by {told.who} at {told.began_at:%Y-%m-%d %H:%M:%S} UTC{why}"
    for refusal in told.refusals:
        yield f"- {refusal.guard}: {refusal.detail}"
    if told.verdict is not None:
        yield from _verdict(told.verdict)
    if found is not None:
        yield found
    if told.state is RestartState.FAILED:
        yield f"try again: {command(told)}"
        yield f"or roll back: {ROLLBACK}"
    if told.held is not None:
        yield f"it held: {after_watch}" if told.held else f"it did NOT hold: {after_watch}. Roll back: {ROLLBACK}"
    elif told.is_watched:
        yield "whether it holds is being watched"
    elif after_watch is not None:
        yield f"whether it held is not known: {after_watch}"
    yield f"action {told.id}" + (f", plan {told.plan_id}" if told.plan_id else "")


def _verdict(verdict: Verdict) -> Iterator[str]:
    times = f"shutdown {verdict.shutdown_seconds:.1f} s, start {verdict.start_seconds:.1f} s"
    tries = "1 try" if verdict.tries == 1 else f"{verdict.tries} tries"
    if verdict.is_up:
        was = f", was {verdict.pid_before}" if verdict.pid_before else ", had none before"
        yield f"up as {verdict.pid_now}{was}; {times}, {tries}"
    else:
        yield f"it is down ({verdict.start}): {verdict.reason or 'its supervisor does not say why'}; {times}, {tries}"
    if verdict.processes_now is not None:
        yield f"processes {verdict.processes_before} before, {verdict.processes_now} now"
    if verdict.names_before and verdict.names_missing is not None:
        missing = ", ".join(verdict.names_missing[:10])
        yield f"names {'all back' if not missing else 'missing: ' + missing}"
    if verdict.children_before:
        now = _known(verdict.children_now)
        yield f"children that no restart brings back: {verdict.children_before} before, {now} now"
    if verdict.rows_before:
        yield f"rows in its tables: {verdict.rows_before} before, {_known(verdict.rows_now)} now"
    if verdict.health_before is not None or verdict.health_after is not None:
        yield f"/health before: {verdict.health_before or 'not asked'}"
        yield f"/health after:  {verdict.health_after or 'not asked'}"


def _known(count: int | None) -> str:
    return "not known" if count is None else str(count)
