"""The settings that say what a scrape of /metrics has."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from collector.setting_kinds import no_truth, to_list

OF_CONSTANT_COST: Final = ("identity", "memory", "statistics", "system_info", "supervisors", "memory_limit")
# The others look at many things, or have every scheduler answer.
PROBES: Final = (
    *OF_CONSTANT_COST,
    "allocators",
    "applications",
    "distribution",
    "ets",
    "governors",
    "mailboxes",
    "microstates",
    "mnesia",
    "processes",
    "supervision_tree",
)


def _all_probes(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in PROBES:
            raise ValueError(f"{name!r} is no probe of a scrape; there are {', '.join(PROBES)}")
    return names


class ScrapeSettings(BaseModel):
    """What is set of scrapes. A field's description says what its value should be, in errors and in the help."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    naming: Literal["v6", "legacy", "both"] = Field(
        default="both",
        description="how the metrics of the emulator are named: v6 as prometheus.erl 6 does, legacy as it did before, "
        "or both",
    )
    scrape_without: Annotated[tuple[str, ...], BeforeValidator(to_list), AfterValidator(_all_probes)] = Field(
        default=(), description="probes that scrapes leave out: allocators, mnesia, …"
    )
    scrape_max_series: Annotated[int, BeforeValidator(no_truth)] = Field(
        default=50_000,
        ge=1_000,
        le=10_000_000,
        description="the most series of one scrape, beyond which its largest families are left out, 1000 to 10000000",
    )
