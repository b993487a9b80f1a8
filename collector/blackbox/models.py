"""A line of the black box, as it is written and as it is read: later, elsewhere, perhaps by another release.

So a field may be missing, and one that is not known here is passed over. The plain figures have the names that they
have in the lines of vital signs.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MESSAGE: Final = "black box"
VERSION: Final = 1
SEVERITIES: Final = ("critical", "high", "medium", "low")


def _known_severity(word: str) -> str:
    return word if word in SEVERITIES else SEVERITIES[-1]


class Part(BaseModel):
    """What all parts of a line have in common."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ReasonPart(Part):
    """Why the line was written. ``since_seconds``: for so long it had been so already."""

    kind: str = ""
    what: str = ""
    since_seconds: float = 0.0


class SeriesPart(Part):
    """How one figure has changed over what the trend has of the present life of the node."""

    what: str
    first: int | None = None
    last: int | None = None
    per_minute: float | None = None


class KindPart(Part):
    """One kind of memory: by how much it rose while the whole did, and its share of that."""

    kind: str
    rise_bytes: int = 0
    share: float = 0.0
    pattern: str = ""


class GrowthPart(Part):
    """Whether all memory grows, what of it, and in how many seconds the limit is reached."""

    pattern: str
    points: int = 0
    rise_bytes: int = 0
    since_seconds: float = 0.0
    per_minute_bytes: int | None = None
    limit_in_seconds: float | None = None
    limit_in_seconds_latest: float | None = None
    kinds: list[KindPart] = []


class ProcessPart(Part):
    """One process. ``name`` is its registered name, else what it was started as."""

    pid: str
    name: str | None = None
    function: str | None = None
    memory_bytes: int | None = None
    queue: int | None = None


class TablePart(Part):
    """One table, or all of a watched name together; ``count`` says of how many, 0 being none."""

    name: str
    count: int | None = None
    owner: str | None = None
    rows: int | None = None
    memory_bytes: int | None = None


class SupervisorPart(Part):
    """A supervisor that is not as it should be."""

    name: str
    what: str = ""


class FindingPart(Part):
    """What a rule of the diagnosis has found, in the words of the diagnosis."""

    rule: str
    section: str = ""
    severity: Annotated[str, AfterValidator(_known_severity)] = "low"
    sentence: str = ""
    since_seconds: float | None = None
    evidence: list[str] = []
    causes_that_fit: list[str] = []
    causes_excluded: list[str] = []
    causes_open: list[str] = []
    steps: list[str] = []
    commands: list[str] = []


class Vitals(Part):
    """The plain figures that a line of vital signs has as well."""

    erlang_node: str = ""
    instance_id: str | None = None
    creation: int | None = None
    uptime_seconds: float | None = None
    memory_total_bytes: int | None = None
    memory_processes_bytes: int | None = None
    memory_binary_bytes: int | None = None
    memory_ets_bytes: int | None = None
    memory_limit_bytes: int | None = None
    memory_limit_used_bytes: int | None = None
    memory_limit_share: float | None = None
    processes: int | None = None
    ports: int | None = None
    atoms: int | None = None
    ets_tables: int | None = None
    run_queue_length: int | None = None
    longest_queue: int | None = None


class BlackBoxLine(Vitals):
    """All of a line. ``left_out`` says what there was no room for; ``ages_seconds`` how old each answer is."""

    black_box: int = VERSION
    reasons: list[ReasonPart] = []
    held_back: dict[str, int] = {}
    node_lost: str | None = None
    ages_seconds: dict[str, float] = {}
    memory_system_bytes: int | None = None
    memory_code_bytes: int | None = None
    memory_atom_bytes: int | None = None
    memory_limit_left_bytes: int | None = None
    memory_limit_source: str | None = None
    process_limit: int | None = None
    port_limit: int | None = None
    atom_limit: int | None = None
    ets_limit: int | None = None
    schedulers_online: int | None = None
    messages_waiting: int | None = None
    growth: GrowthPart | None = None
    trend_minutes: float | None = None
    trend: list[SeriesPart] = []
    top_processes: list[ProcessPart] = []
    top_mailboxes: list[ProcessPart] = []
    top_tables: list[TablePart] = []
    watched_tables: list[TablePart] = []
    supervisors: list[SupervisorPart] = []
    applications_not_running: list[str] = []
    findings: list[FindingPart] = []
    not_known: list[str] = Field(default=[])
    left_out: list[str] = []
