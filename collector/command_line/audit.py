"""``beamwarden audit``: what was done from here, from the journal's file or from a collector."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from collector.command_line.client import ClientError, Collector
from collector.command_line.flags import with_settings
from collector.command_line.reaching import find_collector
from collector.command_line.showing import Manner, show
from collector.journal.audit import DEFAULT_ENTRIES, MAX_ENTRIES, AuditAnswer, AuditQuery, ChainAnswer
from collector.journal.chain import Row, Verified, verify
from collector.journal.file import JournalFile
from collector.journal.schema import NO_PLACE, JournalError
from collector.load import journal_path, load_settings
from collector.render.audit import audit_table, chain_text
from collector.setting_words import REACHING
from collector.settings import SettingsError

_HASH: Final = re.compile(r"[0-9a-f]{64}")
_WHERE: Final = "Which journal (without these the file on this machine)"

app = typer.Typer()

_of_a_journal = with_settings(
    ["journal", *REACHING],
    more_help={"url": "ask the collector there for its journal"},
    panels=dict.fromkeys(("journal", *REACHING, "config"), _WHERE),
)
AsJson = Annotated[bool, typer.Option("--json", help="print the answer as JSON")]


@app.callback(invoke_without_command=True)
@_of_a_journal
def show_audit(
    flags: dict[str, object],
    config: Path | None,
    context: typer.Context,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=MAX_ENTRIES, metavar="N", help="how many entries")
    ] = DEFAULT_ENTRIES,
    node_name: Annotated[
        str | None, typer.Option("--node-name", metavar="NAME", help="only what was done on this node")
    ] = None,
    is_json: AsJson = False,  # noqa: FBT002  # typer's way to have a flag
) -> None:
    """Show what was done and what was refused, the newest first."""
    if context.invoked_subcommand is not None:
        if flags or config:
            raise SettingsError(f"options belong behind the last word: beamwarden audit {context.invoked_subcommand} …")
        return
    source, query = _find(flags, config), AuditQuery(limit=limit, node=node_name)
    show(lambda: _read(source, query), audit_table, Manner(is_json))


@app.command("verify")
@_of_a_journal
def verify_audit(
    flags: dict[str, object],
    config: Path | None,
    head: Annotated[
        str | None,
        typer.Option("--head", metavar="HASH", help="a journal_head of the log, which has to be in the chain"),
    ] = None,
    is_json: AsJson = False,  # noqa: FBT002  # typer's way to have a flag
) -> None:
    """Say whether the journal is as it was written: 0 yes, 1 no.

    The newest entries can be cut off, and a whole journal can be written
    anew, without a trace in it. The log has the hash of every entry as
    journal_head; with --head that is found out.
    """
    if head is not None and not _HASH.fullmatch(head := head.strip().lower()):
        raise SettingsError(
            f"--head: {head!r} is no hash; it should be 64 hexadecimal digits, a journal_head of the log"
        )
    verified = _verify(_find(flags, config), head)
    show(lambda: ChainAnswer.of(verified), chain_text, Manner(is_json))
    if verified.fault is not None:
        sys.exit(1)


def _find(flags: dict[str, object], config: Path | None) -> Collector | Path:
    """Choose the journal: a collector's when it is named, and no file is. Raises `SettingError`."""
    settings = load_settings(flags, os.environ, config)
    if "journal" in flags and "url" in flags:
        raise SettingsError("--journal, --url: give one of them, the file of a journal or the collector that keeps it")
    if settings.url is not None and "journal" not in flags:
        return find_collector(settings, os.environ)
    path = journal_path(settings, os.environ)
    if path is None:
        raise SettingsError(f"--journal: {NO_PLACE}")
    return path


def _read(source: Collector | Path, query: AuditQuery) -> AuditAnswer:
    if isinstance(source, Collector):
        return source.audit(query)
    try:
        with JournalFile(source, is_read_only=True) as journal:
            return AuditAnswer.of(journal.reader, query)
    except JournalError as error:
        raise ClientError(str(error)) from None


def _verify(source: Collector | Path, head: str | None) -> Verified:
    if isinstance(source, Collector):
        return verify(_rows(source), head)
    try:
        with JournalFile(source, is_read_only=True) as journal:
            return journal.reader.verify(head)
    except JournalError as error:
        raise ClientError(str(error)) from None


def _rows(collector: Collector) -> Iterator[Row]:
    """Fetch all entries, so that a chain is followed here and no word is taken for it."""
    last = 0
    while True:
        page = collector.audit(AuditQuery(limit=MAX_ENTRIES, after=last)).entries
        try:
            rows = [entry.row() for entry in page]
        except ValueError as error:
            raise ClientError(f"what answers at {collector.url} is no journal: {error}") from None
        yield from rows
        if not page or page[-1].seq <= last:
            return
        last = page[-1].seq
