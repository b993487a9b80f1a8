"""The journal and what happens to its process and its disk: real processes, real signals, real full disks."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from collector.journal.chain import Kind
from collector.journal.file import JournalFile
from tests.collector_fakes import PATIENCE_SECONDS
from tests.journal_writers import CONTENDER, start

ENTRIES: Final = 200
KILLS: Final = 6


def ended(writer: subprocess.Popen[str]) -> tuple[list[str], str]:
    """Wait for a writer: the hashes that it has got, and what it says of its end."""
    output, errors = writer.communicate(timeout=6 * PATIENCE_SECONDS)
    # Of a line that was cut by the kill, nobody has been told.
    return [line for line in output.splitlines(keepends=True) if line.endswith("\n")], errors


def stop(writer: subprocess.Popen[str]) -> None:
    writer.kill()
    writer.communicate()


def test_two_processes_write_one_whole_chain(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    writers = [start(path, name, count=ENTRIES) for name in ("one", "two")]
    try:
        results = [ended(writer) for writer in writers]
    finally:
        for writer in writers:
            stop(writer)
    assert [errors for _, errors in results] == ["", ""]
    with JournalFile(path) as journal:
        verified = journal.reader.verify()
        assert (verified.entries, verified.fault) == (2 * ENTRIES, None)
        for name, (acknowledged, _) in zip(("one", "two"), results, strict=True):
            entries = journal.reader.entries(node=name, newest_first=False)
            assert [entry.action_id for entry in entries] == [f"{name}-{number}" for number in range(ENTRIES)]
            assert [f"{entry.hash}\n" for entry in entries] == acknowledged


def test_of_several_processes_that_want_to_be_first_one_is(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    contenders = [start(path, name, program=CONTENDER) for name in ("one", "two", "three", "four")]
    try:
        for contender in contenders:
            assert contender.stdout is not None
            assert contender.stdout.readline() == "ready\n"
        for contender in contenders:
            assert contender.stdin is not None
            contender.stdin.write("go\n")
            contender.stdin.flush()
        said = [ended(contender)[0] for contender in contenders]
    finally:
        for contender in contenders:
            stop(contender)
    assert sorted(said) == [["first\n"], ["second\n"], ["second\n"], ["second\n"]]


def test_a_writer_that_is_killed_loses_nothing_that_it_had_said(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    acknowledged: list[str] = []
    for _ in range(KILLS):
        writer = start(path)
        try:
            assert writer.stdout is not None
            acknowledged += [writer.stdout.readline() for _ in range(random.randrange(1, 30))]
        finally:
            writer.kill()
        acknowledged += ended(writer)[0]
        with JournalFile(path) as journal:
            verified = journal.reader.verify()
            assert verified.fault is None
            assert {entry.hash for entry in journal.reader.entries()} >= {line.strip() for line in acknowledged}


def test_a_limit_on_the_size_of_files_is_told_and_tears_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    limit = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, 120_000)); "
    limited = (sys.executable, "-c", f"{limit}os.execv(sys.argv[1], sys.argv[1:])")
    acknowledged, errors = ended(start(path, before=limited))
    assert errors.startswith(f"the journal {path} cannot be ")
    assert "see to the disk and its limits, or name another file with --journal" in errors
    assert_holds(path, acknowledged)


# --------------------------------------------------------------------------------------- disks of a test's own making

UNSHARE: Final = ("unshare", "--user", "--map-root-user", "--mount")


def may_mount() -> bool:
    """Whether this machine lets us mount something that only we see."""
    return (
        shutil.which("unshare") is not None
        and subprocess.run(
            [*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/tmp"], capture_output=True, check=False
        ).returncode
        == 0
    )


own_disks = pytest.mark.skipif(not may_mount(), reason="this machine lets us mount nothing")


def with_disk(mount: str, afterwards: str = "true") -> tuple[str, ...]:
    """Run a command on a disk of its own; ``$D`` is the folder of the journal, which is the third argument to come."""
    script = f'D=$(dirname "$4"); {mount} || exit 99; "$@"; status=$?; {afterwards}; exit $status'
    return (*UNSHARE, "sh", "-c", script, "sh")


@own_disks
def test_a_full_disk_is_told_and_tears_nothing(tmp_path: Path) -> None:
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    small = with_disk('mount -t tmpfs -o size=256k tmpfs "$D"', f'cp -r "$D" "{copy}"')
    acknowledged, errors = ended(start(disk / "journal.db", before=small))
    assert "cannot be written: the disk is full (SQLITE_FULL); make room there, or name another file" in errors
    assert len(acknowledged) > 10
    assert_holds(copy / "journal.db", acknowledged)


@own_disks
def test_a_disk_that_may_only_be_read_is_told(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with JournalFile(disk / "journal.db") as journal:
        journal.append(Kind.INTENT, action_id="r-1", node="a@b", body={})
    read_only = with_disk('mount --bind "$D" "$D" && mount -o remount,bind,ro "$D"')
    acknowledged, errors = ended(start(disk / "journal.db", before=read_only))
    assert acknowledged == []
    assert errors.startswith(f"the journal {disk}/journal.db cannot be ")
    assert "let this user write it and its folder, or name another file with --journal" in errors


READER: Final = """
import sys
from pathlib import Path
from collector.journal.file import JournalFile
with JournalFile(Path(sys.argv[1]), is_read_only=True) as journal:
    print(journal.reader.verify())
"""


@own_disks
def test_a_copy_on_a_disk_that_may_only_be_read_can_be_verified(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with JournalFile(disk / "journal.db") as journal:
        journal.append(Kind.INTENT, action_id="r-1", node="a@b", body={})
    read_only = with_disk('mount --bind "$D" "$D" && mount -o remount,bind,ro "$D"')
    ran = subprocess.run(
        [*read_only, sys.executable, "-c", READER, str(disk / "journal.db")],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.startswith("Verified(entries=1, "), ran.stderr
    assert ran.stdout.endswith("fault=None)\n")


def assert_holds(path: Path, acknowledged: list[str]) -> None:
    with JournalFile(path) as journal:
        assert journal.reader.verify().fault is None
        assert {entry.hash for entry in journal.reader.entries()} >= {line.strip() for line in acknowledged}
