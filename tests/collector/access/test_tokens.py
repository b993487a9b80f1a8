from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collector.access import tokens
from collector.access.permissions import Role
from collector.access.private_files import MAX_FILE_BYTES
from collector.access.tokens import (
    Entry,
    TokensError,
    create_token,
    default_tokens_file,
    find_entry,
    is_token,
    parse_token,
    read_token_file,
    read_tokens,
    revoke_token,
)

TOKEN = "bw_" + "x" * 43
OTHER = "bw_" + "y" * 43


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "beamwarden" / "tokens"


def entries(path: Path) -> tuple[Entry, ...]:
    found = read_tokens(path)
    assert found is not None
    return found[1]


def names(path: Path) -> list[str]:
    return [entry.name for entry in entries(path)]


def entry(name: str, token: str, role: Role = Role.VIEWER) -> Entry:
    return Entry(name, role, datetime(2026, 11, 23, 3, 14, 7, tzinfo=UTC), hashlib.sha256(token.encode()).digest())


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


# ------------------------------------------------------------------------------------------------------------- a token


def test_a_token_is_256_random_bits_with_a_prefix(file: Path) -> None:
    token = create_token(file, "maria", Role.OPERATOR)
    assert re.fullmatch(r"bw_[A-Za-z0-9_-]{43}", token)
    assert is_token(token)
    assert create_token(file, "other", Role.OPERATOR) != token


@pytest.mark.parametrize(
    "text", ["", "bw_", "x" * 46, "bw_" + "x" * 42, "bw_" + "x" * 44, "BW_" + "x" * 43, "bw_" + "é" * 43, TOKEN + "\n"]
)
def test_anything_else_is_none(text: str) -> None:
    assert not is_token(text)


def test_the_entry_of_a_token_is_found() -> None:
    known = [entry("a", TOKEN), entry("b", OTHER)]
    assert [find_entry(known, token) for token in (TOKEN, OTHER, "bw_" + "z" * 43)] == [*known, None]
    assert find_entry([], TOKEN) is None


@pytest.mark.parametrize("token", [TOKEN, OTHER, "bw_" + "z" * 43])
def test_every_entry_is_compared_in_constant_time_wherever_a_match_stands(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[object] = []

    def compare_digest(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare_digest)
    known = [entry("a", TOKEN), entry("b", OTHER), entry("c", "bw_" + "w" * 43)]
    find_entry(known, token)
    assert compared == [one.digest for one in known]


def test_an_entry_prints_no_hash() -> None:
    assert "digest" not in repr(entry("a", TOKEN))


# ------------------------------------------------------------------------------------------------------------ the file


def test_the_file_keeps_name_role_moment_and_hash_and_not_the_token(file: Path) -> None:
    token = create_token(file, "maria@example", Role.OPERATOR)
    (made,) = entries(file)
    assert (made.name, made.role, made.digest) == (
        "maria@example",
        Role.OPERATOR,
        hashlib.sha256(token.encode()).digest(),
    )
    assert token not in file.read_text()
    assert token.removeprefix("bw_") not in file.read_text()


def test_only_its_owner_may_read_a_new_file_and_its_folder(file: Path) -> None:
    before = os.umask(0)
    try:
        create_token(file, "maria", Role.VIEWER)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_file_that_was_made_for_a_group_stays_so(file: Path) -> None:
    write(file, f"{entry('a', TOKEN)}\n", 0o640)
    create_token(file, "b", Role.VIEWER)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_nothing_is_left_beside_the_file(file: Path) -> None:
    create_token(file, "a", Role.VIEWER)
    revoke_token(file, "a")
    assert [path.name for path in file.parent.iterdir()] == ["tokens"]


def test_of_a_link_what_it_leads_to_is_changed(file: Path, tmp_path: Path) -> None:
    target = write(tmp_path / "elsewhere", f"{entry('a', TOKEN)}\n")
    file.parent.mkdir()
    file.symlink_to(target)
    create_token(file, "b", Role.VIEWER)
    assert file.is_symlink()
    assert names(target) == ["a", "b"]


def test_what_a_person_wrote_stays(file: Path) -> None:
    write(file, f"# ours\n\n  {entry('a', TOKEN)}  \n# theirs\n{entry('b', OTHER)}")
    create_token(file, "c", Role.VIEWER)
    revoke_token(file, "b")
    assert names(file) == ["a", "c"]
    assert file.read_text().startswith(f"# ours\n\n  {entry('a', TOKEN)}  \n# theirs\n")


def test_two_who_make_tokens_at_once_lose_none(file: Path) -> None:
    together = threading.Barrier(8)

    def create(number: int) -> None:
        together.wait(10.0)
        for each in range(5):
            create_token(file, f"{number}-{each}", Role.VIEWER)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert sorted(names(file)) == sorted(f"{number}-{each}" for number in range(8) for each in range(5))


def test_a_folder_that_stays_locked_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "LOCK_SECONDS", 0.05)
    file.parent.mkdir()
    descriptor = os.open(file.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(TokensError, match=r"^another program has locked .*: try again when it is done$"):
            create_token(file, "a", Role.VIEWER)
    finally:
        os.close(descriptor)


def test_a_change_that_fails_leaves_the_file_as_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_token(file, "a", Role.VIEWER)
    before = file.read_text()

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(TokensError, match=r"cannot be written: No space left on device$"):
        create_token(file, "b", Role.VIEWER)
    assert file.read_text() == before
    assert [path.name for path in file.parent.iterdir()] == ["tokens"]


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a\nb", "-a", "é", "x" * 65, "local", "anyone", "viewer", "operator", "a#", TOKEN]
)
def test_a_name_that_would_mislead_is_refused_and_not_shown(file: Path, name: str) -> None:
    with pytest.raises(TokensError, match=r"^the name of a token should be 1 to 64 letters") as caught:
        create_token(file, name, Role.VIEWER)
    assert TOKEN not in str(caught.value)
    assert not file.exists()


def test_a_name_is_given_once(file: Path) -> None:
    create_token(file, "maria", Role.VIEWER)
    with pytest.raises(TokensError, match=r"^there is a token named maria in .*: revoke it first, or take another"):
        create_token(file, "maria", Role.OPERATOR)
    assert [one.role for one in entries(file)] == [Role.VIEWER]


def test_a_revoked_token_is_gone_and_the_others_stay(file: Path) -> None:
    for name in ("a", "b", "c"):
        create_token(file, name, Role.VIEWER)
    revoke_token(file, "b")
    assert names(file) == ["a", "c"]


@pytest.mark.parametrize(
    ("there_are", "told"),
    [(["maria", "marie", "xy"], "there are marie, maria"), (["xy"], "there is xy"), ([], "there is none")],
)
def test_who_revokes_a_token_that_is_not_there_is_told_which_are(file: Path, there_are: list[str], told: str) -> None:
    for name in there_are:
        create_token(file, name, Role.VIEWER)
    with pytest.raises(TokensError, match=f"^no token in .* is named marei: {told}$"):
        revoke_token(file, "marei")


# -------------------------------------------------------------------------------------------------------------- reading


def test_no_file_is_no_tokens(file: Path) -> None:
    assert read_tokens(file) is None


HASH = f"sha256:{'0' * 64}"
WHEN = "2026-11-23T03:14:07Z"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("junk", "it should be a name, a role, a moment, and sha256: with 64 digits of a SHA-256"),
        (f"a viewer {WHEN} sha256:{'0' * 63}", "it should be a name"),
        (f"a viewer {WHEN} sha256:{'0' * 65}", "it should be a name"),
        (f"a viewer {WHEN} {HASH} more", "it should be a name"),
        (f"a viewer {WHEN} md5:{'0' * 64}", "it should be a name"),
        (f"local viewer {WHEN} {HASH}", "it should be a name"),
        (f"{TOKEN} viewer {WHEN} {HASH}", "it should be a name"),
        (f"a {TOKEN} {WHEN} {HASH}", "the role of a should be viewer or operator"),
        (f"a local {WHEN} {HASH}", "the role of a should be viewer or operator"),
        (f"a Operator {WHEN} {HASH}", "the role of a should be viewer or operator"),
        (f"a viewer {TOKEN} {HASH}", "the moment of a should be as in 2026-11-23T03:14:07Z"),
        (f"first viewer {WHEN} {HASH}", "the second token named first"),
    ],
)
def test_a_wrong_line_is_named_and_not_shown(file: Path, line: str, told: str) -> None:
    write(file, f"# a comment\n{entry('first', TOKEN)}\n{line}\n")
    with pytest.raises(TokensError) as caught:
        read_tokens(file)
    assert str(caught.value).startswith(f"the tokens file {file}, line 3: {told}")
    assert TOKEN not in str(caught.value)


def test_a_wrong_file_is_not_written_over(file: Path) -> None:
    write(file, "junk\n")
    with pytest.raises(TokensError, match="line 1"):
        create_token(file, "a", Role.VIEWER)
    with pytest.raises(TokensError, match="line 1"):
        revoke_token(file, "a")
    assert file.read_text() == "junk\n"


@pytest.mark.parametrize(
    ("content", "told"), [("é", "has other letters than ASCII"), ("#" * (MAX_FILE_BYTES + 1), "is too long")]
)
def test_what_is_no_file_of_tokens_at_all_is_told(file: Path, content: str, told: str) -> None:
    write(file, content)
    with pytest.raises(TokensError, match=rf"{told}$"):
        read_tokens(file)


def test_a_pipe_is_not_waited_for(file: Path) -> None:
    file.parent.mkdir()
    os.mkfifo(file)
    with pytest.raises(TokensError, match=r"is no regular file$"):
        read_tokens(file)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(TokensError, match=r"is no regular file$"):
        read_tokens(tmp_path)


def test_a_path_through_a_file_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(TokensError, match=r"cannot be read: Not a directory$"):
        read_tokens(write(tmp_path / "file", "") / "tokens")


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o777])
def test_a_file_that_others_may_write_is_refused(file: Path, mode: int) -> None:
    write(file, f"{entry('a', TOKEN)}\n", mode)
    with pytest.raises(TokensError, match=r"is open to others than its owner: chmod 600 "):
        read_tokens(file)


@pytest.mark.parametrize("mode", [0o400, 0o444, 0o644, 0o777])
def test_in_a_folder_that_we_cannot_change_every_mode_is_taken(
    file: Path, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, f"{entry('a', TOKEN)}\n", mode)
    monkeypatch.setattr(os, "access", lambda *_: False)  # as on a volume that is mounted read-only, also for root
    assert names(file) == ["a"]


# ----------------------------------------------------------------------------------------------- where tokens come from


def test_the_file_is_in_the_folder_for_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home-of-a-test")
    in_home = Path("/home-of-a-test/.config/beamwarden/tokens")
    assert default_tokens_file({}) == in_home
    assert default_tokens_file({"XDG_CONFIG_HOME": ""}) == in_home
    assert default_tokens_file({"XDG_CONFIG_HOME": "relative"}) == in_home
    assert default_tokens_file({"XDG_CONFIG_HOME": "/etc/xdg"}) == Path("/etc/xdg/beamwarden/tokens")


def test_a_user_without_a_home_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)
    assert default_tokens_file({}) is None


def test_a_token_may_come_with_the_line_break_of_its_file(tmp_path: Path) -> None:
    assert read_token_file(write(tmp_path / "token", f"{TOKEN}\n")) == TOKEN
    assert parse_token(f" {TOKEN}\r\n", "here") == TOKEN


@pytest.mark.parametrize("text", ["", "ey.secret", f"{TOKEN}\n{TOKEN}\n", TOKEN[:-1]])
def test_what_is_no_token_is_told_and_not_shown(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "token", text)
    with pytest.raises(TokensError) as caught:
        read_token_file(path)
    assert str(caught.value) == (
        f"the token file {path} holds no token: it should be what 'beamwarden token create' has shown, bw_…"
    )


def test_a_token_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "token", TOKEN, 0o640)
    with pytest.raises(TokensError, match=rf"^the token file {path} is open to others than its owner: chmod 600 "):
        read_token_file(path)


def test_a_token_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(TokensError, match=r"token cannot be read: No such file or directory$"):
        read_token_file(tmp_path / "token")
