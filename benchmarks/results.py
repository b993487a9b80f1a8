"""A run, kept as a file that a person reads."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

HEAD: Final = """\
# {title}

Written by `{command} RESULTS=benchmarks/{file}`; what is measured is told in `benchmarks/`. Rates differ between
machines, and on a shared one from minute to minute; ratios are of sides that took turns in one run.

"""


@contextlib.contextmanager
def written_to(file: Path | None, title: str, command: str) -> Iterator[None]:
    """Keep what is printed within the block. Of a run that does not come to its end nothing is kept."""
    kept = io.StringIO()
    with contextlib.redirect_stdout(_Both(sys.stdout, kept)):
        yield
    if file is not None:
        file.write_text(f"{HEAD.format(title=title, command=command, file=file.name)}```\n{kept.getvalue()}```\n")


class _Both(io.TextIOBase):
    def __init__(self, shown: TextIO, kept: TextIO) -> None:
        self._shown = shown
        self._kept = kept

    def write(self, text: str) -> int:
        self._kept.write(text)
        return self._shown.write(text)

    def flush(self) -> None:
        self._shown.flush()
