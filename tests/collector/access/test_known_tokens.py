from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.access import known_tokens
from collector.access.known_tokens import KnownTokens
from collector.access.permissions import Role
from collector.access.private_files import Stamp
from collector.access.tokens import Entry, TokensError, create_token, read_tokens, revoke_token
from tests.collector_fakes import PATIENCE_SECONDS


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


def entries(known: KnownTokens) -> tuple[Entry, ...]:
    return asyncio.run(known.entries())


def names(known: KnownTokens) -> list[str]:
    return [entry.name for entry in entries(known)]


def test_without_a_file_nobody_is_known(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert names(KnownTokens(None)) == []
    assert names(KnownTokens(file)) == []
    assert caplog.messages == []


def test_each_change_counts_at_once(file: Path) -> None:
    known = KnownTokens(file)
    seen = [names(known)]
    create_token(file, "a", Role.VIEWER)
    seen.append(names(known))
    create_token(file, "b", Role.OPERATOR)
    seen.append(names(known))
    revoke_token(file, "a")
    seen.append(names(known))
    file.unlink()
    seen.append(names(known))
    assert seen == [[], ["a"], ["a", "b"], ["b"], []]


def test_a_change_in_place_counts_even_within_one_tick_of_the_clock(file: Path) -> None:
    create_token(file, "a", Role.VIEWER)
    known = KnownTokens(file)
    assert names(known) == ["a"]
    found = file.stat()
    with file.open("r+") as opened:
        text = opened.read()
        opened.seek(0)
        opened.write(text.replace("\na ", "\nb "))
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert names(known) == ["b"]


def test_a_file_that_has_not_changed_is_not_read_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_token(file, "a", Role.VIEWER)
    os.utime(file, (1_000_000_000, 1_000_000_000))
    known = KnownTokens(file)
    reads: list[Path] = []

    def read(path: Path) -> object:
        reads.append(path)
        return read_tokens(path)

    monkeypatch.setattr(known_tokens, "read_tokens", read)
    assert [names(known) for _ in range(3)] == [["a"]] * 3
    assert len(reads) == 1
    create_token(file, "b", Role.VIEWER)
    assert names(known) == ["a", "b"]


def test_a_file_that_broke_opens_nothing_and_is_told_once(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    create_token(file, "a", Role.VIEWER)
    known = KnownTokens(file)
    assert names(known) == ["a"]
    whole = file.read_text()
    file.write_text(f"{whole}junk\n")
    for _ in range(3):
        with pytest.raises(TokensError, match="line 3"):
            entries(known)
    assert [message.partition(":")[0] for message in caplog.messages] == [f"the tokens file {file}, line 3"]
    file.write_text(whole)
    assert names(known) == ["a"]
    assert caplog.messages[1:] == [f"the tokens file {file} is read again"]
    file.write_text("junk\n")
    with pytest.raises(TokensError, match="line 1"):
        entries(known)
    assert len(caplog.messages) == 3


def test_a_file_that_is_gone_is_told_once(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    create_token(file, "a", Role.VIEWER)
    known = KnownTokens(file)
    assert names(known) == ["a"]
    file.unlink()
    assert [names(known) for _ in range(3)] == [[]] * 3
    assert caplog.messages == [f"the tokens file {file} is gone: nobody is known by a token"]


def test_a_file_that_became_a_folder_opens_nothing(file: Path) -> None:
    create_token(file, "a", Role.VIEWER)
    known = KnownTokens(file)
    assert names(known) == ["a"]
    file.unlink()
    file.mkdir()
    with pytest.raises(TokensError, match="is no regular file"):
        entries(known)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Make reading wait until the event is set, as on a volume of a network that is gone."""
    goes_on = threading.Event()

    def read(path: Path) -> tuple[Stamp, tuple[object, ...]] | None:
        goes_on.wait(PATIENCE_SECONDS)
        return read_tokens(path)

    monkeypatch.setattr(known_tokens, "read_tokens", read)
    yield goes_on
    goes_on.set()


def test_a_volume_that_hangs_opens_nothing_and_holds_nobody_up(
    file: Path, hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_token(file, "a", Role.VIEWER)
    monkeypatch.setattr(known_tokens, "FILE_SECONDS", 0.05)
    known = KnownTokens(file)
    for _ in range(2):
        with pytest.raises(TokensError, match=r"cannot be read: no answer within 0\.05 s$"):
            entries(known)
    monkeypatch.setattr(known_tokens, "FILE_SECONDS", PATIENCE_SECONDS)
    hanging.set()
    assert names(known) == ["a"]
