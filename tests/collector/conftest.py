"""Keeps every test of the collector away from the machine that it runs on."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector import cli, memory_ceiling
from tests.command_line import Ran, Run


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no setting, proxy, home or current folder of whoever runs the tests."""
    for variable in os.environ:
        if variable.startswith("BEAMWARDEN_") or variable.lower().endswith("_proxy"):
            monkeypatch.delenv(variable)
    for variable in (
        "K_SERVICE",
        "GCE_METADATA_HOST",
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
        "COLUMNS",
        "FORCE_COLOR",
        "TTY_COMPATIBLE",
    ):
        monkeypatch.delenv(variable, raising=False)
    # A worker that has run some thousand tests is larger than any collector should be, and would refuse.
    monkeypatch.setattr(memory_ceiling, "_STATM", tmp_path / "not told")
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line as a shell does: arguments in, status and what was printed out."""

    def run(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["beamwarden", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return Ran(ended.value.code, printed.out, printed.err)

    return run


@pytest.fixture
def root_logging() -> Iterator[None]:
    """Put the logging of the whole process back as it was, for tests that set it up."""
    changed = [logging.getLogger(name) for name in (None, "httpx", "uvicorn.error")]
    levels = [logger.level for logger in changed]
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    yield
    root.handlers = handlers
    for logger, level in zip(changed, levels, strict=True):
        logger.setLevel(level)
