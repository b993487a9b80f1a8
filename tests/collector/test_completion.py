"""Completing in shells: what they are answered, and three real ones."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.command_line import Run
from tests.terminal import PROGRAM

SECONDS = 60.0


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("ser", ["serve"]),
        ("gov", ["governors", "governor"]),
        ("audit v", ["verify"]),
        ("--vers", ["--version"]),
        ("memory --cook", ["--cookie-file"]),
        ("processes --sort m", ["memory", "message_queue_len"]),
        ("token create --role v", ["viewer"]),
        ("serve --log-format j", ["json"]),
        ("serve --naming l", ["legacy"]),
        ("serve --scrape-without ets,mi", ["ets,microstates"]),
        ("completion z", ["zsh"]),
        ("process re", []),
    ],
)
def test_a_shell_is_answered(run: Run, monkeypatch: pytest.MonkeyPatch, line: str, completed: list[str]) -> None:
    words = ["beamwarden", *line.split(" ")]
    monkeypatch.setenv("_BEAMWARDEN_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "\n".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    ran = run()
    assert (ran.status, ran.output.split(), ran.errors) == (0, completed, "")


@pytest.mark.parametrize("shell", ["tcsh", ""])
def test_a_shell_that_is_not_known_is_refused(run: Run, shell: str) -> None:
    assert run("completion", shell).status == 2


def test_bash_completes_a_command_and_an_option(run: Run, tmp_path: Path) -> None:
    script = written(run, "bash", tmp_path)
    wanted = f"""
    source {script}
    read -r _ _ _ _ complete _ <<< "$(complete -p beamwarden)"  # complete -o default -F its_function beamwarden
    tab() {{ COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); "$complete" beamwarden; printf '%s;' "${{COMPREPLY[@]}}"; }}
    tab beamwarden diag
    tab beamwarden memory --cook
    """
    assert printed("bash", "--norc", "-c", wanted) == "diagnose;--cookie-file;"


@pytest.mark.slow
@pytest.mark.parametrize("way", ["compinit -u -D; source zsh", "fpath=($PWD $fpath); compinit -u -D"])
def test_zsh_completes_a_command(run: Run, tmp_path: Path, way: str) -> None:
    shutil.copy(written(run, "zsh", tmp_path), tmp_path / "_beamwarden")
    ready = f"autoload -Uz compinit; {way}; echo re''ady"
    wanted = f"""
    cd {tmp_path}
    zmodload zsh/zpty
    zpty zsh zsh -f -i
    zpty -w zsh {shlex.quote(ready)}
    zpty -r -m zsh seen '*ready*'
    zpty -w -n zsh $'beamwarden diag\\t'
    zpty -r -m zsh seen '*diagnose*' && print completed
    zpty -d zsh
    """
    assert printed("zsh", "-f", "-c", wanted) == "completed\n"


@pytest.mark.slow
def test_fish_completes_a_command(run: Run, tmp_path: Path) -> None:
    script = written(run, "fish", tmp_path)
    wanted = f"source {script}; complete --do-complete 'beamwarden diag'"
    assert printed("fish", "--no-config", "--command", wanted).startswith("diagnose\t")


def written(run: Run, shell: str, folder: Path) -> Path:
    """Write down what the shell is given to read."""
    if shutil.which(shell) is None:
        pytest.skip(f"this machine has no {shell}")
    ran = run("completion", shell)
    assert (ran.status, ran.errors) == (0, "")
    script = folder / shell
    script.write_text(ran.output, encoding="utf-8")
    return script


def printed(*command: str) -> str:
    environment = os.environ | {"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "TERM": "xterm"}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=SECONDS, stdin=subprocess.DEVNULL
    ).stdout
