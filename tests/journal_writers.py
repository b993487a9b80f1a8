"""Programs that write to a journal: what a test starts in a process of its own, to kill it or to take its disk away."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent

# Writes so many entries, and says after each which hash it got.
WRITER: Final = """
import sys
from pathlib import Path
from collector.journal.chain import Kind
from collector.journal.file import JournalFile
from collector.journal.schema import JournalError
path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
try:
    with JournalFile(path) as journal:
        for number in range(count):
            entry = journal.append(Kind.INTENT, action_id=f"{name}-{number}", node=name, body={"reason": "x" * 500})
            print(entry.hash, flush=True)
except JournalError as error:
    print(error, file=sys.stderr)
    sys.exit(1)
"""

# Waits for a line, and then wants to be the only one that has written; says whether it is.
CONTENDER: Final = """
import sys
from pathlib import Path
from collector.journal.chain import Kind
from collector.journal.file import JournalFile
class Second(Exception): pass
def refuse_a_second(reader):
    if reader.entries(limit=1):
        raise Second
with JournalFile(Path(sys.argv[1])) as journal:
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        journal.append(Kind.INTENT, action_id="r-1", node=sys.argv[2], body={}, guard=refuse_a_second)
        print("first")
    except Second:
        print("second")
"""


def start(
    path: Path, name: str = "w", *, count: int = 1_000_000, before: tuple[str, ...] = (), program: str = WRITER
) -> subprocess.Popen[str]:
    """Start a writer; ``before`` stands before its command, to give it a world of its own."""
    return subprocess.Popen(
        [*before, sys.executable, "-c", program, str(path), name, str(count)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
