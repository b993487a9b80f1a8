from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from collector.access.permissions import Role
from collector.access.tokens import create_token, find_entry, read_tokens
from tests.command_line import Run

FILE = Path("tokens")


def entries(path: Path = FILE) -> list[tuple[str, Role]]:
    found = read_tokens(path)
    assert found is not None
    return [(entry.name, entry.role) for entry in found[1]]


def create(run: Run, name: str = "maria", role: str = "operator") -> str:
    ran = run("token", "create", "--role", role, "--name", name, "--tokens-file", str(FILE))
    assert ran.status == 0
    return ran.output


def test_a_token_is_printed_alone_and_explained_beside(run: Run) -> None:
    ran = run("token", "create", "--role", "operator", "--name", "maria", "--tokens-file", str(FILE))
    assert ran.status == 0
    assert re.fullmatch(r"bw_[A-Za-z0-9_-]{43}\n", ran.output)
    assert ran.errors.startswith("This is the token of maria, with the role operator. It is not shown again")
    assert ran.output.strip() not in ran.errors
    assert entries() == [("maria", Role.OPERATOR)]


def test_what_is_printed_is_what_is_known(run: Run) -> None:
    token = create(run).strip()
    found = read_tokens(FILE)
    assert found is not None
    assert find_entry(found[1], token) is not None


def test_by_default_the_file_is_in_the_folder_for_configuration(run: Run) -> None:
    assert run("token", "create", "--role", "viewer", "--name", "grafana").status == 0
    assert entries(Path.home() / ".config" / "beamwarden" / "tokens") == [("grafana", Role.VIEWER)]


def test_the_file_is_a_setting_like_others(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEAMWARDEN_TOKENS_FILE", "of-the-environment")
    run("token", "create", "--role", "viewer", "--name", "a")
    Path("settings.toml").write_text('tokens_file = "of-the-file"\n')
    monkeypatch.delenv("BEAMWARDEN_TOKENS_FILE")
    run("token", "create", "--role", "viewer", "--name", "b", "--config", "settings.toml")
    assert entries(Path("of-the-environment")) == [("a", Role.VIEWER)]
    assert entries(Path("of-the-file")) == [("b", Role.VIEWER)]


def test_tokens_are_listed_without_any_hash(run: Run) -> None:
    create(run)
    create(run, "a-name-of-more-letters-than-others-have", "viewer")
    ran = run("token", "list", "--tokens-file", str(FILE))
    assert ran.status == 0
    assert [line.split()[:2] for line in ran.output.splitlines() if line.strip("─- ")] == [
        ["name", "role"],
        ["maria", "operator"],
        ["a-name-of-more-letters-than-others-have", "viewer"],
    ]
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", ran.output)
    assert not re.search(r"[0-9a-f]{64}", ran.output)


def test_where_there_are_none_the_list_says_how_to_make_one(run: Run) -> None:
    ran = run("token", "list", "--tokens-file", str(FILE))
    assert (ran.status, ran.output) == (0, "")
    assert ran.errors == "There are no tokens in tokens. Make one with 'beamwarden token create'.\n"


def test_a_token_is_revoked_by_its_name(run: Run) -> None:
    create(run)
    create(run, "other")
    ran = run("token", "revoke", "maria", "--tokens-file", str(FILE))
    assert (ran.status, ran.errors) == (0, "The token of maria is revoked.\n")
    assert entries() == [("other", Role.OPERATOR)]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("create", "--role", "operator", "--name", "maria"),
            "there is a token named maria in tokens: revoke it first",
        ),
        (("create", "--role", "operator", "--name", "a b"), "the name of a token should be 1 to 64 letters"),
        (("revoke", "mari"), "no token in tokens is named mari: there is maria"),
    ],
)
def test_what_cannot_be_done_ends_with_2_and_says_why(run: Run, arguments: tuple[str, ...], told: str) -> None:
    create_token(FILE, "maria", Role.VIEWER)
    ran = run("token", *arguments, "--tokens-file", str(FILE))
    assert (ran.status, ran.output) == (2, "")
    assert ran.errors.startswith(f"beamwarden: {told}")
    assert entries() == [("maria", Role.VIEWER)]


@pytest.mark.parametrize("arguments", [("list",), ("revoke", "a"), ("create", "--role", "viewer", "--name", "a")])
def test_a_file_that_is_wrong_is_told_and_not_written_over(run: Run, arguments: tuple[str, ...]) -> None:
    FILE.write_text("junk\n")
    ran = run("token", *arguments, "--tokens-file", str(FILE))
    assert (ran.status, ran.output) == (2, "")
    assert ran.errors.startswith("beamwarden: the tokens file tokens, line 1: it should be a name, a role")
    assert FILE.read_text() == "junk\n"


@pytest.mark.parametrize("arguments", [("--name", "a"), ("--role", "viewer"), ("--role", "local", "--name", "a")])
def test_role_and_name_are_needed(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("token", "create", *arguments, "--tokens-file", str(FILE)).status == 2
    assert not FILE.exists()


def test_a_user_without_a_home_is_told_to_name_a_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)
    ran = run("token", "list")
    assert ran.status == 2
    assert "no home folder for a file of tokens: name one with --tokens-file" in ran.errors


def test_a_token_that_cannot_be_shown_is_taken_back(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, _text: str) -> int:
            raise OSError(28, "No space left on device")

        def flush(self) -> None: ...

    monkeypatch.setattr(sys, "stdout", Full())
    ran = run("token", "create", "--role", "viewer", "--name", "a", "--tokens-file", str(FILE))
    assert ran.status == 2
    assert "the token cannot be shown, and so there is none: No space left on device" in ran.errors
    assert entries() == []


@pytest.mark.parametrize("command", ["create", "list", "revoke"])
def test_each_has_a_help(run: Run, command: str) -> None:
    ran = run("token", command, "--help")
    assert ran.status == 0
    assert "--tokens-file" in ran.output
