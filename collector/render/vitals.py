"""Memory by kind, and what a node is."""

from __future__ import annotations

from datetime import timedelta

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from collector.models import MemoryAnswer, NodeAnswer
from collector.render.parts import bar, format_bytes, head_of, known, listing


def memory_table(answer: MemoryAnswer) -> RenderableType:
    """Show memory by kind, largest first below each total."""
    table = listing("memory", "size", "share", "", numbers=("size", "share"))
    system = {
        "binary": answer.binary_bytes,
        "code": answer.code_bytes,
        "ets": answer.ets_bytes,
        "atom": answer.atom_bytes,
    }
    system["other"] = answer.system_bytes - sum(system.values())
    rows = [
        ("total", answer.total_bytes),
        ("processes", answer.processes_bytes),
        ("system", answer.system_bytes),
        *((f"  {kind}", size) for kind, size in sorted(system.items(), key=lambda row: -row[1])),
    ]
    for kind, size_bytes in rows:
        share = size_bytes / answer.total_bytes if answer.total_bytes else 0.0
        style = "" if kind.startswith(" ") else "bold"
        table.add_row(Text(kind, style), format_bytes(size_bytes), f"{share:.0%}", bar(size_bytes, answer.total_bytes))
    return Group(head_of(answer), table)


def node_table(answer: NodeAnswer) -> RenderableType:
    """Show what a node is, and which expected supervisors run."""
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="dim", overflow="fold")
    facts.add_column(overflow="fold")
    connection = answer.connection
    if connection.state == "up" and answer.trouble is not None:
        facts.add_row("connection", Text(f"up, but {answer.trouble}", "bold red"))
    elif connection.state == "up":
        facts.add_row("connection", Text(f"up, as {connection.own_name}", "green"))
    else:
        facts.add_row("connection", Text(f"down: {connection.reason}", "bold red"))
    facts.add_row("creation", known(answer.node.creation))
    if answer.node.instance_id is not None:
        facts.add_row("instance", Text(answer.node.instance_id))
    facts.add_row("OTP", Text(f"{known(answer.otp_release)} (ERTS {known(answer.erts_version)})"))
    uptime = answer.uptime_seconds
    facts.add_row("up for", "not known" if uptime is None else str(timedelta(seconds=round(uptime))))
    if offers := answer.offers:
        facts.add_row("ticks", f"net_ticktime {offers.net_ticktime_seconds:g} s, intensity {offers.tick_intensity}")
        lacks = offers.trouble
        offered = Text("all that is asked for") if lacks is None else Text(f"not all: {lacks}", "bold yellow")
        facts.add_row("offers", offered)
    for supervisor in answer.supervisors or ():
        running = Text(f"running {supervisor.pid}", "green")
        facts.add_row(Text(supervisor.name), running if supervisor.is_running else Text("not running", "bold red"))
    if answer.supervisors is None:
        facts.add_row("supervisors", "not known")
    return Group(head_of(answer), facts)
