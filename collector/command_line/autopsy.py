"""The command for an instance that is gone: ``beamwarden autopsy``."""

from __future__ import annotations

import contextlib
import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from typing import IO, Annotated, Final

import typer

from collector.autopsy.death import Cause, decide
from collector.autopsy.instances import Instance, gather
from collector.autopsy.reading import Counts, NoLog, read
from collector.autopsy.report import AutopsyAnswer
from collector.command_line.client import ClientError
from collector.command_line.showing import Manner, show
from collector.render.autopsy import autopsy_page

STANDARD_INPUT: Final = "-"
GZIP: Final = b"\x1f\x8b"

app = typer.Typer()


@app.command("autopsy")
def autopsy(
    file: Annotated[str, typer.Argument(help="a log, or - for standard input")],
    instance: Annotated[
        str | None,
        typer.Option("--instance", metavar="ID", help="of several the one with this id (default: the last that died)"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print the answer as JSON")] = False,  # noqa: FBT002  # typer's way
) -> None:
    """Say from its log how an instance died that is gone.

    FILE has lines of the collector's log, or what 'gcloud logging read ... --format=json' prints.
    """
    counts = Counts()
    with _opened(file) as stream:
        try:
            found = gather(read(stream, counts))
        except NoLog as error:
            raise ClientError(f"{file}: {error}") from None
        except (OSError, EOFError, zlib.error) as error:  # the latter two, and some of the first, of what is compressed
            why = getattr(error, "strerror", None) or error
            raise ClientError(f"{file}: cannot be read: {why}") from None
    chosen = _chosen(file, found, instance, counts)
    others = [one for one in found if one is not chosen]
    answer = AutopsyAnswer.of(chosen, others, counts)
    show(lambda: answer, autopsy_page, Manner(is_json=json))


@contextlib.contextmanager
def _opened(file: str) -> Iterator[IO[str]]:
    try:
        source = sys.stdin.buffer if file == STANDARD_INPUT else open(file, "rb")  # noqa: PTH123, SIM115  # closed below; a path may be odd
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ClientError(f"{file}: cannot be read: {why}") from None
    mark = source.peek(2)[:2] if isinstance(source, io.BufferedReader) else b""
    # As a log may have any bytes; and some shells save what they are given as UTF-16.
    encoding = "utf-16" if mark in {b"\xff\xfe", b"\xfe\xff"} else "utf-8"
    plain = gzip.GzipFile(fileobj=source) if mark == GZIP else source
    with source, io.TextIOWrapper(plain, encoding, errors="replace", newline="\n") as stream:
        yield stream


def _chosen(file: str, found: list[Instance], wanted: str | None, counts: Counts) -> Instance:
    if wanted is not None:
        for one in found:
            if one.name == wanted:
                return one
        there = ", ".join(str(one.name) for one in found[:10]) or "none"
        raise ClientError(f"{file}: has nothing of an instance {wanted}; there are: {there}")
    if found:
        # One that lives may have come in the place of the one that died.
        return next((one for one in found if decide(one).cause is not Cause.NOT_KNOWN), found[0])
    hint = ""
    if counts.of_a_terminal:
        hint = ': its lines are as they are shown on a terminal, and cannot be read back. Set log_format to "json"'
    raise ClientError(f"{file}: nothing of beamwarden's in {counts.lines} lines{hint}")
