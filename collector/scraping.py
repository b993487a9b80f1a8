"""What a scrape asks: the questions that only scrapes have, and which of all that this one wants."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from http import HTTPStatus
from typing import Final

from agent.probes import allocators, distribution, microstates, mnesia
from collector.diagnosis.gathering import ASK_LIMIT
from collector.port.problems import ProblemError
from collector.question import Question
from collector.scrape_settings import PROBES
from collector.settings import Settings
from collector.views.applications import SWEEP_APPLICATIONS
from collector.views.governors import sweep_governors
from collector.views.processes import SWEEP_MAILBOXES, SWEEP_PROCESSES
from collector.views.supervisors import sweep_supervisors
from collector.views.tables import sweep_tables

# Schedulers that answer for their worker cost as much again as it does. One of them that does not answer for long holds
# it up, and costs nothing meanwhile: a hundred schedulers need no more than this.
OTHER_SCHEDULERS: Final = 2.0
MOST_OF_SCHEDULERS_SECONDS: Final = 0.1

ASK_ALLOCATORS: Final = Question(
    "allocators",
    allocators.ask,
    is_sweep=True,
    cost_factor=OTHER_SCHEDULERS,
    most_cost_seconds=MOST_OF_SCHEDULERS_SECONDS,
)
ASK_MICROSTATES: Final = Question(
    "microstates",
    microstates.ask,
    is_sweep=True,
    cost_factor=OTHER_SCHEDULERS,
    most_cost_seconds=MOST_OF_SCHEDULERS_SECONDS,
)
ASK_DISTRIBUTION: Final = Question("distribution", distribution.ask, is_sweep=True)
ASK_MNESIA: Final = Question("mnesia", mnesia.ask, is_sweep=True)


def questions_of(settings: Settings) -> Sequence[Question]:
    """Return what every scrape asks beside the vital signs."""
    return (
        ASK_LIMIT,
        SWEEP_APPLICATIONS,
        SWEEP_MAILBOXES,
        SWEEP_PROCESSES,
        sweep_tables(settings),
        sweep_supervisors(settings),
        sweep_governors(settings),
        ASK_ALLOCATORS,
        ASK_DISTRIBUTION,
        ASK_MNESIA,
        ASK_MICROSTATES,
    )


def wanted(without: Collection[str], collect: Collection[str]) -> frozenset[str]:
    """Return the probes that a scrape wants: those of ``collect``, or all, but none that the settings leave out."""
    there = [name for name in PROBES if name not in without]
    for name in collect:
        if name in without:
            why = f"the setting scrape_without leaves {name} out"
        elif name not in there:
            why = f"there is no probe {name!r}"
        else:
            continue
        raise ProblemError(HTTPStatus.BAD_REQUEST, "unknown-probe", f"collect[]: {why}; there are {', '.join(there)}")
    return frozenset(collect or there)
