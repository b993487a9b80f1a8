"""What docs/deploy.md has people type is there: commands, flags, variables, files and messages."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Final

import pytest

import scripts.cli
from collector.load import CONFIG_VARIABLE, COOKIE_VARIABLE, TOKEN_VARIABLE
from collector.settings import Settings
from tests.deployment import DEPLOY, PREFIX, ROOT, image_environment, read

PAGE: Final = (ROOT / "docs" / "deploy.md").read_text()
TEXTS: Final = {"docs/deploy.md": PAGE} | {
    str(path.relative_to(ROOT)): path.read_text()
    for folder in ("cloudrun", "kubernetes", "systemd", "terraform")
    for path in sorted((DEPLOY / folder).iterdir())
}
VARIABLES: Final = {PREFIX + name.upper() for name in Settings.model_fields} | {
    CONFIG_VARIABLE,
    COOKIE_VARIABLE,
    TOKEN_VARIABLE,
}
COMMANDS: Final = dict(scripts.cli.commands(scripts.cli.root()))
SOURCES: Final = "".join(path.read_text() for part in ("agent", "collector") for path in (ROOT / part).rglob("*.py"))


def commands() -> list[str]:
    """Our command line's calls in blocks of code and in code within a line."""
    code = re.findall(r"^(?: {4}|\t)(.*(?:\\\n.*)*)$", PAGE, re.MULTILINE) + re.findall(r"`(beamwarden [^`…]+)`", PAGE)
    joined = "\n".join(code).replace("\\\n", " ")
    return [found.strip() for found in re.findall(r"(?:^|[(|;] *|-- )(beamwarden [a-z][^|>\n]*)", joined, re.MULTILINE)]


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_every_command_of_ours_can_be_given_so(line: str) -> None:
    words = shlex.split(line)[1:]
    (name,) = [name for name in COMMANDS if words[: len(name.split())] == name.split() and COMMANDS[name].callback]
    COMMANDS[name].make_context(name, words[len(name.split()) :]).close()


def test_commands_are_found_in_the_page() -> None:
    assert {line.split()[1] for line in commands()} >= {"diagnose", "top", "restart", "token", "autopsy"}


@pytest.mark.parametrize("place", TEXTS)
def test_every_variable_of_ours_is_one(place: str) -> None:
    named = set(re.findall(rf"\b{PREFIX}[A-Z_]*[A-Z]", TEXTS[place]))
    assert named - VARIABLES == set()


def test_every_file_that_is_named_is_there() -> None:
    named = set(re.findall(r"\bdeploy/[\w./-]*\w", PAGE))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    "message",
    [
        "nothing listens there",
        "knows no node named",
        "does not accept our cookie",
        "calls itself",
        "cannot be read",
        "no action will run until the journal can be written",
        "connected as",
        "not connected",
        "not running",
        "this collector is not known as",
    ],
)
def test_every_message_of_the_table_is_one_of_ours(message: str) -> None:
    assert message in PAGE
    assert message in SOURCES


def test_the_folders_that_are_written_to_are_the_image_s() -> None:
    written = {str(Path(value).parent) for value in image_environment().values() if value.startswith("/")}
    assert written == {"/var/lib/beamwarden", "/run/beamwarden"}
    assert all(f"`{folder}`" in PAGE for folder in written)


def test_the_secrets_that_are_made_are_those_that_are_mounted() -> None:
    made = set(re.findall(r"gcloud secrets create (\S+)", PAGE))
    volumes = read("cloudrun/service.yaml")["spec"]["template"]["spec"]["volumes"]
    assert made == {volume["secret"]["secretName"] for volume in volumes if "secret" in volume}
