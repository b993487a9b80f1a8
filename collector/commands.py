"""The commands that ask: one for each view, and memory and node."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from collector.client import Source
from collector.render.processes import busy_table, mailboxes_table, process_facts, processes_table
from collector.render.vitals import memory_table, node_table
from collector.showing import Manner, asking, show
from collector.views import DEFAULT_LIMIT, MAX_LIMIT
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

app = typer.Typer()

Limit = Annotated[int, typer.Option("--limit", min=1, max=MAX_LIMIT, help="how many rows")]


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
    """Show which node it is, how long it is up, what it offers, and whether the expected supervisors run."""
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
    """Show the processes with the most memory, or the longest mailboxes."""
    query = ProcessesQuery(sort=sort, limit=limit)
    show(lambda: source.view(PROCESSES, query), processes_table, manner)


@app.command("mailboxes")
@asking()
def show_mailboxes(
    source: Source,
    manner: Manner,
    limit: Limit = DEFAULT_LIMIT,
) -> None:
    """Show where messages wait. This costs the node a tenth of what processes costs."""
    query = MailboxesQuery(limit=limit)
    show(lambda: source.view(MAILBOXES, query), mailboxes_table, manner)


@app.command("busy")
@asking()
def show_busy(
    source: Source,
    manner: Manner,
    window: Annotated[
        float, typer.Option("--window", min=0.1, max=10.0, help="for how many seconds to look at the node")
    ] = 1.0,
    limit: Limit = DEFAULT_LIMIT,
) -> None:
    """Look at the node for a moment, and show which processes did most."""
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
    query = ProcessQuery(pid=pid)
    show(lambda: source.view(PROCESS, query), process_facts, manner)
