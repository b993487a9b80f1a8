"""Who may import whom. A file imports only from rows above its own; so the table reads like the story of a question.

Rows up to `agent.protocol` are sans-IO: no socket, no clock, no randomness, no log, no file.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import agent

ROOT = Path(__file__).parent.parent

ROWS: tuple[tuple[str, ...], ...] = (
    ("agent.terms", "agent.etf.tags"),
    ("agent.errors",),
    ("agent.etf.decode", "agent.etf.encode", "agent.names", "agent.term_text"),
    ("agent.etf", "agent.limits", "agent.ticks", "agent.worker", "agent.supervision"),
    ("agent.restarting",),
    ("agent.epmd", "agent.handshake", "agent.control", "agent.term_text"),
    ("agent.strangers", "agent.framing"),
    ("agent.protocol",),
    # From here on: asyncio, and the outside world.
    ("agent.rpc", "agent.cookie", "agent.batch", "agent.tls"),
    ("agent.link", "agent.expression"),
    ("agent.session",),
    ("agent.preflight",),
    ("agent.node",),
    ("agent.probes.rows", "agent.probes.kernel_files"),
    ("agent.probes.sweep",),
    ("agent.probes.processes", "agent.probes.supervisor_rows"),
    ("agent.probes.restart_rows",),
    ("agent.probes.binaries", "agent.probes.busy", "agent.probes.ets", "agent.probes.process"),
    (
        "agent.probes.allocators",
        "agent.probes.applications",
        "agent.probes.distribution",
        "agent.probes.governors",
        "agent.probes.identity",
        "agent.probes.memory",
        "agent.probes.memory_limit",
        "agent.probes.microstates",
        "agent.probes.mnesia",
        "agent.probes.ports",
        "agent.probes.statistics",
        "agent.probes.supervision_tree",
        "agent.probes.supervisors",
        "agent.probes.system_info",
        "agent.probes.table",
        "agent.probes.watched_tables",
    ),
    ("agent.probes.governor_ages", "agent.probes.lookup"),
    ("agent.probes.restart_facts",),
    ("agent.probes",),
    # What changes something: decisions first.
    ("agent.actions",),
    ("agent.actions.guards",),
    ("agent.actions.obstacles",),
    ("agent.actions.plan",),
    ("agent.actions.restart",),
    ("agent.actions.garbage_collect", "agent.actions.table_key"),
    ("agent",),
    # The service.
    (
        "collector",
        "collector.version",
        "collector.access",
        "collector.command_line",
        "collector.journal",
        "collector.port",
        "collector.routes",
        "collector.logs",
        "collector.instance",
        "collector.memory_ceiling",
        "collector.changes",
        "collector.freshness",
        "collector.journal.chain",
        "collector.journal.schema",
        "collector.trend",
        "collector.access.permissions",
        "collector.access.attempts",
        "collector.access.origins",
        "collector.liveness",
        "collector.access.passwords",
        "collector.access.private_files",
        "collector.port.web_config",
        "collector.blackbox",
        "collector.blackbox.bounding",
        "collector.blackbox.models",
        "collector.blackbox.pacing",
        "collector.diagnosis",
        "collector.diagnosis.causes",
        "collector.diagnosis.kinship",
        "collector.diagnosis.ranks",
        "collector.diagnosis.fetching",
        "collector.diagnosis.service_facts",
        "collector.diagnosis.shell_commands",
        "collector.autopsy",
    ),
    ("collector.autopsy.reading", "collector.blackbox.triggers", "collector.cloud", "collector.diagnosis.cloud_words"),
    ("collector.autopsy.signs",),
    ("collector.autopsy.instances",),
    ("collector.autopsy.death",),
    ("collector.diagnosis.changing_commands", "collector.diagnosis.looking_commands"),
    ("collector.diagnosis.commands",),
    ("collector.diagnosis.exposition", "collector.diagnosis.own_steps", "collector.diagnosis.severity"),
    ("collector.diagnosis.decision_tree",),
    ("collector.diagnosis.history",),
    ("collector.diagnosis.service",),
    ("collector.diagnosis.growth",),
    ("collector.diagnosis.what_grows",),
    ("collector.setting_kinds", "collector.port.web_tls"),
    ("collector.port.known_web_config",),
    ("collector.port.web_headers",),
    (
        "collector.access_settings",
        "collector.diagnosis_settings",
        "collector.scrape_settings",
        "collector.service_settings",
        "collector.sidecar_settings",
        "collector.web_settings",
    ),
    ("collector.settings", "collector.journal.file", "collector.journal.log", "collector.access.tokens"),
    ("collector.access.shell_token",),
    (
        "collector.snapshot",
        "collector.load",
        "collector.journal.journal",
        "collector.journal.audit",
        "collector.access.known_tokens",
        "collector.setting_words",
    ),
    ("collector.command_line.flags", "collector.diagnosis.of_settings"),
    ("collector.diagnosis.findings",),
    ("collector.diagnosis.exhaustion", "collector.diagnosis.memory_rules"),
    ("collector.diagnosis.node_rules", "collector.diagnosis.process_rules", "collector.diagnosis.service_rules"),
    ("collector.diagnosis.supervision_rules",),
    ("collector.diagnosis.rules",),
    ("collector.metrics", "collector.metrics.family"),
    ("collector.metrics.legacy",),
    (
        "collector.metrics.allocators",
        "collector.metrics.bounded",
        "collector.metrics.distribution",
        "collector.metrics.exposition",
        "collector.metrics.limits",
        "collector.metrics.microstates",
        "collector.metrics.mnesia",
        "collector.metrics.own",
        "collector.metrics.own_memory",
        "collector.metrics.processes",
        "collector.metrics.vm",
    ),
    ("collector.metrics.labelled",),
    (
        "collector.metrics.connections",
        "collector.metrics.named",
        "collector.metrics.supervision",
        "collector.metrics.tables",
    ),
    ("collector.metrics.page",),
    ("collector.health", "collector.models", "collector.question"),
    ("collector.access.refused_requests", "collector.restarts"),
    ("collector.restarts.models",),
    ("collector.restarts.planning", "collector.restarts.text"),
    ("collector.restarts.account",),
    ("collector.restarts.finding_out",),
    ("collector.restarts.book",),
    ("collector.restarts.runner",),
    ("collector.cleaning",),
    ("collector.cleaning.models",),
    ("collector.cleaning.doing", "collector.cleaning.repeated"),
    ("collector.metrics.actions", "collector.cleaning.runner"),
    ("collector.restarts.reconciling", "collector.restarts.rules"),
    ("collector.known",),
    ("collector.views",),
    (
        "collector.views.applications",
        "collector.views.governors",
        "collector.views.ports",
        "collector.views.processes",
        "collector.views.supervisors",
        "collector.views.tables",
        "collector.views.trend",
    ),
    ("collector.views.binaries",),
    ("collector.watched", "collector.port.problems", "collector.render", "collector.render.listing"),
    (
        "collector.port.bounding",
        "collector.fleet",
        "collector.render.parts",
        "collector.access.refusals",
        "collector.diagnosis.gathering",
    ),
    ("collector.diagnosis.diagnosing", "collector.scraping"),
    ("collector.views.diagnosis",),
    ("collector.autopsy.report",),
    (
        "collector.render.applications",
        "collector.render.audit",
        "collector.render.binaries",
        "collector.render.cleaning",
        "collector.render.diagnosis",
        "collector.render.ports",
        "collector.render.processes",
        "collector.render.restarts",
        "collector.render.supervisors",
        "collector.render.tables",
        "collector.render.vitals",
    ),
    ("collector.render.autopsy", "collector.render.governors"),
    ("collector.access.entrance", "collector.port.tls_port"),
    ("collector.port.http_server",),
    (
        "collector.routes.nodes",
        "collector.vitals",
        "collector.command_line.client",
        "collector.recording",
        "collector.access.gate",
    ),
    ("collector.blackbox.line",),
    (
        "collector.routes.audit",
        "collector.blackbox.recording",
        "collector.routes.diagnosis",
        "collector.routes.diagnostics",
        "collector.routes.endpoints",
        "collector.command_line.keeping",
        "collector.routes.cleaning",
        "collector.restarting",
        "collector.routes.restarts",
    ),
    ("collector.command_line.reaching",),
    ("collector.command_line.showing",),
    ("collector.command_line.consent",),
    # The full screen: all of it decides, and only the last two move anything.
    ("collector.top", "collector.top.sparkline"),
    ("collector.top.over_time", "collector.top.pages"),
    ("collector.top.layout", "collector.top.signs", "collector.top.panes", "collector.top.panes.processes"),
    (
        "collector.top.panes.applications",
        "collector.top.panes.governors",
        "collector.top.panes.ports",
        "collector.top.panes.supervisors",
        "collector.top.panes.tables",
    ),
    ("collector.top.state",),
    ("collector.top.schedule",),
    ("collector.top.head",),
    ("collector.top.screen",),
    ("collector.top.asking",),
    ("collector.top.app",),
    (
        "collector.app",
        "collector.command_line.audit",
        "collector.command_line.autopsy",
        "collector.command_line.cleaning",
        "collector.command_line.looking",
        "collector.command_line.completion",
        "collector.command_line.diagnose",
        "collector.command_line.restart",
        "collector.command_line.token",
    ),
    ("collector.serve", "collector.waiting"),
    ("collector.staying",),
    ("collector.cli",),
    ("collector.__main__",),
)
SANS_IO_ROWS = 8
FORBIDDEN_BELOW = {"asyncio", "socket", "ssl", "time", "random", "secrets", "logging", "os", "pathlib", "threading"}
# The way to a node is the fleet's; the pure ones touch nothing that answers later or elsewhere.
NEVER = {
    "collector.routes.nodes": {"agent.session", "agent.rpc", "agent.node"},
    "collector.metrics.own": {"agent.session", "agent.node", "asyncio", "collector.fleet"},
    "collector.metrics.page": {"agent.session", "agent.node", "asyncio", "collector.fleet"},
    "collector.health": {"agent.session", "agent.node", "asyncio", "collector.fleet"},
    "collector.port.web_config": {"asyncio", "os", "ssl", "time"},
    "collector.journal.chain": {"asyncio", "logging", "os", "pathlib", "sqlite3", "threading", "time"},
    "collector.diagnosis.exposition": {"asyncio", "time", "httpx"},
    "collector.diagnosis.service_facts": {"asyncio", "time", "httpx"},
    "collector.diagnosis.rules": {"asyncio", "time", "httpx", "collector.fleet"},
    "collector.diagnosis.node_rules": {"asyncio", "time", "httpx", "collector.fleet"},
    "collector.diagnosis.process_rules": {"asyncio", "time", "httpx", "collector.fleet"},
    "collector.diagnosis.service_rules": {"asyncio", "time", "httpx", "collector.fleet"},
    "collector.diagnosis.supervision_rules": {"asyncio", "time", "httpx", "collector.fleet"},
    "collector.diagnosis.exhaustion": {"asyncio", "time", "httpx", "collector.fleet"},
    "collector.diagnosis.kinship": {"asyncio", "time", "httpx", "collector.fleet"},
    "collector.diagnosis.own_steps": {"asyncio", "time", "httpx", "collector.fleet"},
    "collector.diagnosis.memory_rules": {"asyncio", "time", "httpx", "collector.fleet"},
    "collector.diagnosis.severity": {"asyncio", "time", "httpx"},
    "collector.diagnosis.decision_tree": {"asyncio", "time", "httpx"},
    "collector.diagnosis.growth": {"asyncio", "time", "collector.fleet", "collector.watched"},
    "collector.diagnosis.what_grows": {"asyncio", "time", "collector.fleet", "collector.watched"},
    "collector.blackbox.bounding": {"asyncio", "time"},
    "collector.blackbox.line": {"asyncio", "time", "collector.fleet", "collector.watched"},
    "collector.blackbox.triggers": {"asyncio", "time"},
    "collector.trend": {"asyncio", "time", "collector.fleet", "collector.watched"},
    "collector.top.schedule": {"asyncio", "threading", "time", "textual.app"},
    "collector.top.screen": {"asyncio", "threading", "time", "textual.app"},
}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for package in ("agent", "collector") for path in sorted((ROOT / package).rglob("*.py"))}
ROW_OF = {module: number for number, row in enumerate(ROWS) for module in row}


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it; ``from package import module`` counts as the module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, "relative imports are not used"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in FILES else node.module


def test_every_file_has_its_row() -> None:
    assert set(FILES) == set(ROW_OF)


@pytest.mark.parametrize("module", list(FILES))
def test_a_file_imports_only_from_rows_above_its_own(module: str) -> None:
    upward = [name for name in imports(FILES[module]) if name in ROW_OF and ROW_OF[name] >= ROW_OF[module]]
    assert upward == []


@pytest.mark.parametrize("module", [module for row in ROWS[:SANS_IO_ROWS] for module in row])
def test_the_core_does_no_io(module: str) -> None:
    assert {name.partition(".")[0] for name in imports(FILES[module])} & FORBIDDEN_BELOW == set()


@pytest.mark.parametrize("module", list(NEVER))
def test_a_file_stays_away_from_what_is_not_its_business(module: str) -> None:
    assert set(imports(FILES[module])) & NEVER[module] == set()


def test_the_agent_does_not_know_the_collector() -> None:
    known = {name for module in FILES if module.startswith("agent") for name in imports(FILES[module])}
    assert not any(name.startswith("collector") for name in known)


def test_only_one_file_opens_connections_to_a_node() -> None:
    opening = [
        module
        for module, path in FILES.items()
        if any(call in path.read_text() for call in ("create_connection(", "open_connection("))
    ]
    assert opening == ["agent.session"]


def test_broad_excepts_stand_only_at_the_three_borders() -> None:
    broad = [
        module
        for module, path in FILES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}))
    ]
    # Of a connection, of a probe, and of a program that must not end.
    assert broad == ["agent.node", "collector.question", "collector.staying"]


def test_the_public_names_of_the_agent_are_there_and_sorted() -> None:
    assert agent.__all__ == sorted(agent.__all__)
    assert all(hasattr(agent, name) for name in agent.__all__)
