"""What the journal says of restarts: pure functions from its entries to answers, and to what guards have to know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from agent.actions.plan import Past
from agent.actions.restart import Done
from agent.restarting import RestartFacts
from collector.journal.chain import Entry, Json, Kind
from collector.restarts.models import GuardRefusal, RestartAnswer, RestartState, Verdict
from collector.restarts.text import describe

ACTIONS: Final = frozenset({"restart", "start"})
WATCHER_LATE_SECONDS: Final = 60.0  # by which a watcher that lives may be late
CLOSING: Final = frozenset({Kind.OUTCOME, Kind.RECONCILED})


def judge(facts: RestartFacts, done: Done, health_before: str | None, health_after: str | None) -> Verdict:
    """Hold what happened against what was planned."""
    after = done.after if isinstance(done.after, RestartFacts) else None
    back = set() if after is None else {one.name for one in after.subtree.names}
    return Verdict(
        is_up=done.is_up,
        start=done.start,
        reason=done.reason if done.not_ended_because is None else done.reason or done.not_ended_because,
        tries=done.tries,
        shutdown_seconds=done.shutdown_seconds,
        start_seconds=done.start_seconds,
        pid_before=facts.pid,
        pid_now=done.pid if after is None else after.pid,
        processes_before=facts.subtree.processes,
        processes_now=None if after is None else after.subtree.processes,
        names_before=facts.subtree.named,
        names_missing=None
        if after is None
        else [one.name for one in facts.subtree.names if one.name and one.name not in back],
        children_before=facts.subtree.children_lost,
        children_now=None if after is None else after.subtree.children_lost,
        rows_before=facts.lost_tables.rows,
        rows_now=None if after is None else after.lost_tables.rows,
        health_before=health_before,
        health_after=health_after,
    )


def answer_of(entries: Sequence[Entry]) -> RestartAnswer:
    """Tell one action, from all its entries in their order: at least one, the intent or the refusal."""
    first = entries[0]
    closing = next((entry for entry in reversed(entries) if entry.kind in CLOSING), None)
    watched = next((entry for entry in entries if entry.kind is Kind.WATCHED), None)
    verdict = closing.body.get("verdict") if closing else None
    told = RestartAnswer(
        id=first.action_id,
        node=first.node,
        state=_state(first, closing),
        action=_text(first.body, "action"),
        who=_text(first.body, "who"),
        reason=_text(first.body, "reason"),
        supervisor=_optional_text(first.body, "supervisor"),
        child=_text(first.body, "child"),
        began_at=first.at,
        ended_at=None if closing is None else closing.at,
        plan_id=_optional_text(first.body, "plan_id"),
        refusals=[GuardRefusal.model_validate(each) for each in _list(first.body, "refusals")],
        verdict=None if verdict is None else Verdict.model_validate(verdict),
        is_watched=closing is not None and watched is None and bool(closing.body.get("is_watched")),
        held=_optional_truth(watched),
        text="",
    )
    found_out = None if closing is None else _optional_text(closing.body, "found")
    after_watch = None if watched is None else _optional_text(watched.body, "found")
    return told.model_copy(update={"text": describe(told, found_out, after_watch)})


def _state(first: Entry, closing: Entry | None) -> RestartState:
    if first.kind is Kind.REFUSED:
        return RestartState.REFUSED
    return RestartState.RUNNING if closing is None else RestartState(_text(closing.body, "outcome"))


def group(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Put the entries of each action together, in the order in which the actions began. Others are left out."""
    of_action: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda entry: entry.seq):
        if entry.action_id in of_action:
            of_action[entry.action_id].append(entry)
        elif entry.kind in (Kind.INTENT, Kind.REFUSED) and entry.body.get("action") in ACTIONS:
            of_action[entry.action_id] = [entry]
    return list(of_action.values())


def open_intents(entries: Iterable[Entry]) -> list[Entry]:
    """Return the intents of which no end is known."""
    return [
        action[0]
        for action in group(entries)
        if action[0].kind is Kind.INTENT and not any(entry.kind in CLOSING for entry in action)
    ]


@dataclass(frozen=True, slots=True)
class LeftWatch:
    """A watch that is over by its time, and of which nobody has told the end."""

    intent: Entry
    ended_at: datetime
    pid: str | None


def left_watches(entries: Iterable[Entry], now: datetime) -> list[LeftWatch]:
    """Return the watches whose watcher was ended before it could tell."""
    found: list[LeftWatch] = []
    for action in group(entries):
        outcome = next((entry for entry in action if entry.kind is Kind.OUTCOME), None)
        if outcome is None or any(entry.kind is Kind.WATCHED for entry in action):
            continue
        seconds, verdict = outcome.body.get("watch_seconds"), outcome.body.get("verdict")
        if not (outcome.body.get("is_watched") and isinstance(seconds, int | float) and isinstance(verdict, Mapping)):
            continue
        if (now - outcome.at).total_seconds() > seconds + WATCHER_LATE_SECONDS:
            found.append(LeftWatch(action[0], outcome.at, _optional_text(verdict, "pid_now")))
    return found


def past_of(entries: Iterable[Entry], supervisor: str, child: str, now: datetime) -> Past:
    """Return what the guards have to know. Actions that changed nothing count for nothing.

    One that left the child down asks for no patience with the child: there is nothing to wait for.
    ``blocker`` is who had the child's name when its last start failed; whether it is still there is not known here.
    """
    on_child: float | None = None
    on_node: list[float] = []
    blocker: str | None = None
    for action in group(entries):
        first = action[0]
        closing = next((entry for entry in reversed(action) if entry.kind in CLOSING), None)
        state = _state(first, closing)
        if state in (RestartState.REFUSED, RestartState.NOT_DONE):
            continue
        ago_seconds = (now - first.at).total_seconds()
        on_node.append(ago_seconds)
        if (first.body.get("supervisor"), first.body.get("child")) == (supervisor, child):
            on_child = None if state is RestartState.FAILED else ago_seconds
            blocker = None if closing is None else _optional_text(closing.body, "blocker")
    return Past(on_child, tuple(on_node), blocker)


def with_key(entries: Iterable[Entry], key: str) -> Entry | None:
    """Return the intent that was written for this Idempotency-Key.

    A refusal is none: nothing was done, and whoever waits as ``Retry-After`` says comes again with the same key.
    """
    return next(
        (one for one in entries if one.kind is Kind.INTENT and one.body.get("idempotency_key") == key),
        None,
    )


def _text(body: Mapping[str, Json], name: str) -> str:
    return str(body.get(name) or "")


def _optional_text(body: Mapping[str, Json], name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) else None


def _optional_truth(watched: Entry | None) -> bool | None:
    value = None if watched is None else watched.body.get("held")
    return value if isinstance(value, bool) else None


def _list(body: Mapping[str, Json], name: str) -> Sequence[Json]:
    value = body.get(name)
    return value if isinstance(value, list) else []
