"""The commands that ask: one for each view, and memory and node."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from collector.command_line.client import Collector, Direct, Source
from collector.command_line.showing import WATCH_SECONDS, Manner, asking, finding, query_of, show
from collector.render.applications import applications_table
from collector.render.binaries import binaries_table
from collector.render.governors import governor_facts, governors_table
from collector.render.ports import ports_table
from collector.render.processes import busy_table, mailboxes_table, process_facts, processes_table
from collector.render.supervisors import supervisor_tree, supervisors_tree
from collector.render.tables import table_facts, tables_table
from collector.render.vitals import memory_table, node_table
from collector.views import DEFAULT_LIMIT, MAX_LIMIT
from collector.views.applications import APPLICATIONS, ApplicationsQuery
from collector.views.binaries import BINARIES, BinariesQuery
from collector.views.governors import (
    DEFAULT_GOVERNORS,
    GOVERNOR,
    GOVERNORS,
    MAX_GOVERNORS,
    GovernorQuery,
    GovernorsQuery,
)
from collector.views.ports import PORTS, PortsQuery
from collector.views.processes import (
    BUSY,
    MAILBOXES,
    PROCESS,
    PROCESSES,
    BusyQuery,
    MailboxesQuery,
    ProcessesQuery,
    ProcessQuery,
)
from collector.views.supervisors import SUPERVISOR, SUPERVISORS, SupervisorQuery, SupervisorsQuery
from collector.views.tables import TABLE, TABLES, TableQuery, TablesQuery

app = typer.Typer()

Limit = Annotated[int, typer.Option("--limit", min=1, max=MAX_LIMIT, metavar="N", help="how many rows")]


@app.command("memory")
@asking()
def show_memory(
    source: Source,
    manner: Manner,
) -> None:
    """Show how much memory the node uses, and for what."""
    show(source.memory, memory_table, manner)


@app.command("node")
@asking()
def show_node(
    source: Source,
    manner: Manner,
) -> None:
    """Show what the node is, and whether expected supervisors run."""
    show(source.node, node_table, manner)


@app.command("processes")
@asking()
def show_processes(
    source: Source,
    manner: Manner,
    sort: Annotated[
        Literal["memory", "message_queue_len"], typer.Option("--sort", help="what the first has most of")
    ] = "memory",
    limit: Limit = DEFAULT_LIMIT,
) -> None:
    """Show who has the most memory, or the longest mailbox."""
    query = ProcessesQuery(sort=sort, limit=limit)
    show(lambda: source.view(PROCESSES, query), processes_table, manner)


@app.command("mailboxes")
@asking()
def show_mailboxes(
    source: Source,
    manner: Manner,
    limit: Limit = DEFAULT_LIMIT,
) -> None:
    """Show where messages wait, for less than processes costs."""
    query = MailboxesQuery(limit=limit)
    show(lambda: source.view(MAILBOXES, query), mailboxes_table, manner)


@app.command("busy")
@asking()
def show_busy(
    source: Source,
    manner: Manner,
    window: Annotated[
        float, typer.Option("--window", min=0.1, max=10.0, metavar="SECONDS", help="for how long to look")
    ] = 1.0,
    limit: Limit = DEFAULT_LIMIT,
) -> None:
    """Look at the node for a moment, and show who did most."""
    query = BusyQuery(window_seconds=window, limit=limit)
    show(lambda: source.view(BUSY, query), busy_table, manner)


@app.command("process")
@asking()
def show_process(
    source: Source,
    manner: Manner,
    pid: Annotated[str, typer.Argument(help="0.123.0, <0.123.0> or a registered name")],
) -> None:
    """Show one process, and where it is."""
    query = query_of(ProcessQuery, pid=pid)
    show(lambda: source.view(PROCESS, query), process_facts, manner)


@app.command("ets")
@asking("watch_tables")
def show_tables(
    source: Source,
    manner: Manner,
    sort: Annotated[Literal["memory", "size"], typer.Option("--sort", help="what the first has most of")] = "memory",
    limit: Limit = DEFAULT_LIMIT,
) -> None:
    """Show the watched ETS tables, and the largest."""
    query = TablesQuery(sort=sort, limit=limit)
    show(lambda: source.view(TABLES, query), tables_table, manner)


@app.command("table")
@asking()
def show_table(
    source: Source,
    manner: Manner,
    name: Annotated[str, typer.Argument(help="a name, or a reference as in '#Ref<0.1.2.3>'")],
) -> None:
    """Show one ETS table, or all of one name."""
    query = query_of(TableQuery, name=name)
    show(lambda: source.view(TABLE, query), table_facts, manner)


@app.command("supervisors")
@asking("extra_supervisors")
def show_supervisors(
    source: Source,
    manner: Manner,
) -> None:
    """Show all supervisors, what does not run, and restarts left."""
    show(lambda: source.view(SUPERVISORS, SupervisorsQuery()), supervisors_tree, manner)


@app.command("supervisor")
@asking()
def show_supervisor(
    source: Source,
    manner: Manner,
    name: Annotated[str, typer.Argument(help="a registered name, 0.123.0 or <0.123.0>")],
) -> None:
    """Show one supervisor, and the tree below it."""
    query = query_of(SupervisorQuery, name=name)
    show(lambda: source.view(SUPERVISOR, query), supervisor_tree, manner)


@app.command("governors")
@asking("governor_supervisors")
def show_governors(
    source: Source,
    manner: Manner,
    limit: Annotated[
        int,
        typer.Option(
            "--limit",
            min=1,
            max=MAX_GOVERNORS,
            metavar="ROWS",
            help="how many rows: of more the worst",
        ),
    ] = DEFAULT_GOVERNORS,
) -> None:
    """Show which governors are alive, and what waits for them."""
    query = GovernorsQuery(limit=limit)
    show(lambda: source.view(GOVERNORS, query), governors_table, manner)


@app.command("governor")
@asking("governor_supervisors")
def show_governor(
    source: Source,
    manner: Manner,
    pid: Annotated[
        str, typer.Argument(help="""0.123.0, a registered name, or an id as in '{x_governor,<<"acme">>}'""")
    ],
) -> None:
    """Ask one governor which state it is in."""
    query = query_of(GovernorQuery, pid=pid)
    show(lambda: source.view(GOVERNOR, query), governor_facts, manner)


@app.command("applications")
@asking()
def show_applications(
    source: Source,
    manner: Manner,
) -> None:
    """Show which applications are there, and which do not run."""
    show(lambda: source.view(APPLICATIONS, ApplicationsQuery()), applications_table, manner)


@app.command("ports")
@asking()
def show_ports(
    source: Source,
    manner: Manner,
    limit: Limit = DEFAULT_LIMIT,
) -> None:
    """Show the ports that have data waiting for the outside."""
    query = PortsQuery(limit=limit)
    show(lambda: source.view(PORTS, query), ports_table, manner)


@app.command("binaries")
@asking()
def show_binaries(
    source: Source,
    manner: Manner,
    processes: Annotated[  # noqa: FBT002  # typer's way to have a flag
        bool, typer.Option("--processes", help="also show who holds them, which takes a look at every process")
    ] = False,
    limit: Limit = DEFAULT_LIMIT,
) -> None:
    """Show what binaries outside of heaps take, and who holds them."""
    query = BinariesQuery(processes=processes, limit=limit)
    show(lambda: source.view(BINARIES, query), binaries_table, manner)


@app.command("top")
@finding("watch_tables", "governor_supervisors", "extra_supervisors", "expected_supervisors")
def show_top(
    source: Collector | Direct,
    interval: Annotated[
        float, typer.Option("--interval", min=1.0, max=60.0, metavar="SECONDS", help="how often")
    ] = WATCH_SECONDS,
) -> None:
    """Show a node live on the whole screen, until q."""
    # Only here: what draws on the whole screen would cost every other command a quarter of a second.
    from collector.top.app import run  # noqa: PLC0415

    run(source, interval)
