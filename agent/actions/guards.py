"""Why an action is refused: each guard has a name, and says what to do instead."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Guard(StrEnum):
    """The name of a guard, as programs and the journal have it."""

    NO_SUPERVISOR = "no-supervisor"
    SUPERVISOR_NOT_ANSWERING = "supervisor-not-answering"
    SUPERVISOR_SUSPENDED = "supervisor-suspended"
    NOT_A_SUPERVISOR = "not-a-supervisor"
    NOT_OTP_SUPERVISOR = "not-otp-supervisor"
    SHARED_SPEC = "shared-spec"
    APPLICATION_TOP = "application-top"
    APPLICATION_NOT_ALLOWED = "application-not-allowed"
    TOO_LARGE = "too-large"
    TEMPORARY_CHILD = "temporary-child"
    CHILD_ELSEWHERE = "child-elsewhere"
    ALREADY_RESTARTING = "already-restarting"
    BUDGET_USED_UP = "budget-used-up"
    DATA_LOSS = "data-loss"
    CHILDREN_LOST = "children-lost"
    FAILED_BEFORE = "failed-before"
    COOLDOWN = "cooldown"
    ACTION_RUNNING = "action-running"
    PLAN_CHANGED = "plan-changed"
    NO_PROCESS = "no-process"
    NO_TABLE = "no-table"
    SEVERAL_TABLES = "several-tables"
    TABLE_NOT_PUBLIC = "table-not-public"
    NO_KEY = "no-key"
    ETS_DELETE_OFF = "ets-delete-off"
    JOURNAL = "journal-not-writable"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason why an action is not done. ``retry_after_seconds``: it may be allowed then, by itself."""

    guard: Guard
    detail: str
    retry_after_seconds: int | None = None


NEVER_RESTARTED: Final = frozenset({"kernel", "sasl", "stdlib"})  # whatever the settings say
# Restarting what the node itself stands on helps nobody. These come with OTP 25 to 28 and with Elixir 1.14 to 1.19.
# fmt: off
PLATFORM_APPLICATIONS: Final = frozenset({
    "asn1", "common_test", "compiler", "crypto", "debugger", "dialyzer", "diameter", "edoc", "eldap", "erl_docgen",
    "erl_interface", "erts", "et", "eunit", "ftp", "inets", "jinterface", "kernel", "megaco", "mnesia", "observer",
    "odbc", "os_mon", "parsetools", "public_key", "reltool", "runtime_tools", "sasl", "snmp", "ssh", "ssl", "stdlib",
    "syntax_tools", "tftp", "tools", "wx", "xmerl", "eex", "elixir", "ex_unit", "iex", "logger", "mix",
})
# fmt: on
