"""How answers are shown: once, and again and again, on a terminal and not."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from rich.text import Text

from collector.app import create_app
from collector.command_line import showing
from collector.command_line.client import AskAgain, ClientError, Collector, Direct
from collector.command_line.showing import MAX_PAUSE_SECONDS, MAX_WAIT_SECONDS, MAX_WAITS, Manner, find_source, show
from collector.models import MemoryAnswer
from collector.settings import Settings, SettingsError
from tests.collector_fakes import MEMORY, NODE, PATIENCE_SECONDS, FakeSession, fleet_of, serving_on_a_port

PROGRAM = Path(sys.executable).with_name("beamwarden")
LOST = ClientError("no collector answers")


class Number(BaseModel):
    """An answer."""

    number: int


def draw(answer: Number) -> Text:
    return Text(f"number {answer.number}")


class Asked:
    """Gives answers one after the other, raises those that are exceptions, and then is interrupted as by Ctrl-C."""

    def __init__(self, *answers: int | ClientError) -> None:
        self._answers: Iterator[int | ClientError] = iter(answers)
        self.times = 0

    def __call__(self) -> Number:
        self.times += 1
        answer = next(self._answers, None)
        if answer is None:
            raise KeyboardInterrupt
        if isinstance(answer, ClientError):
            raise answer
        return Number(number=answer)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it has paused, each time; without doing so."""
    pauses: list[float] = []

    class NoTime:
        sleep = staticmethod(pauses.append)

    monkeypatch.setattr(showing, "time", NoTime)
    return pauses


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let rich take what is captured for a terminal of 80 columns."""
    for name, value in {"TTY_COMPATIBLE": "1", "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}.items():
        monkeypatch.setenv(name, value)


def screen(output: str) -> list[str]:
    """What stands on a terminal in the end: of what moves the cursor only that which rich sends is understood."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[0-9;?]*[a-zA-Z]|\r|\n|[^\x1b\r\n]+", output):
        if part == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif part == "\r":
            column = 0
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part == "\x1b[1A":
            row -= 1
        elif not part.startswith("\x1b"):
            lines[row] = lines[row][:column] + part + lines[row][column + len(part) :]
            column += len(part)
    return [line for line in lines if line]


# ---------------------------------------------------------------------------------------------------------------- once


def test_once_is_the_drawing(capsys: pytest.CaptureFixture[str]) -> None:
    show(Asked(1), draw, Manner())
    assert capsys.readouterr().out == "number 1\n"


def test_once_as_json_is_for_people_too(capsys: pytest.CaptureFixture[str]) -> None:
    show(Asked(1), draw, Manner(is_json=True))
    assert capsys.readouterr().out == '{\n  "number": 1\n}\n'


def test_once_a_failure_is_the_caller_s() -> None:
    with pytest.raises(ClientError, match="no collector answers"):
        show(Asked(LOST), draw, Manner())


# ------------------------------------------------------------------------------------------------------ again and again


def test_elsewhere_than_on_a_terminal_each_answer_stands_below_the_last(
    capsys: pytest.CaptureFixture[str], pauses: list[float]
) -> None:
    show(Asked(1, 2), draw, Manner(interval_seconds=3.0))
    assert capsys.readouterr().out == "number 1\n\nnumber 2\n\n"
    assert pauses == [3.0, 3.0]


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_each_answer_takes_the_place_of_the_last(
    capsys: pytest.CaptureFixture[str], pauses: list[float]
) -> None:
    show(Asked(1, 2), draw, Manner(interval_seconds=3.0))
    output = capsys.readouterr().out
    assert "number 1" in output
    assert screen(output) == ["number 2"]
    assert output.count("\x1b[?25l") == output.count("\x1b[?25h") == 1  # the cursor is hidden, and shown again
    assert pauses == [3.0, 3.0]


@pytest.mark.parametrize("on", ["a terminal", "a pipe"])
def test_json_is_one_line_for_each_answer_wherever_it_goes(
    on: str, capsys: pytest.CaptureFixture[str], pauses: list[float], request: pytest.FixtureRequest
) -> None:
    if on == "a terminal":
        request.getfixturevalue("terminal")
    show(Asked(1, 2), draw, Manner(is_json=True, interval_seconds=3.0))
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [{"number": 1}, {"number": 2}]
    assert pauses == [3.0, 3.0]


@pytest.mark.usefixtures("pauses")
def test_a_failure_in_between_is_told_in_the_place_of_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    show(Asked(1, LOST, 2), draw, Manner(interval_seconds=3.0))
    assert capsys.readouterr() == ("number 1\n\nno collector answers\n\nnumber 2\n\n", "")


@pytest.mark.usefixtures("pauses", "terminal")
def test_on_a_terminal_a_failure_takes_the_place_of_the_last_answer(capsys: pytest.CaptureFixture[str]) -> None:
    show(Asked(LOST, 2), draw, Manner(interval_seconds=3.0))
    output = capsys.readouterr().out
    assert "no collector answers" in output
    assert screen(output) == ["number 2"]


@pytest.mark.usefixtures("pauses")
def test_a_failure_between_lines_of_json_goes_where_errors_go(capsys: pytest.CaptureFixture[str]) -> None:
    show(Asked(1, LOST, 2), draw, Manner(is_json=True, interval_seconds=3.0))
    assert capsys.readouterr() == ('{"number":1}\n{"number":2}\n', "beamwarden: no collector answers\n")


@pytest.mark.parametrize("is_json", [True, False])
@pytest.mark.usefixtures("pauses")
def test_an_error_cannot_move_the_cursor(is_json: bool, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: FBT001
    error = ClientError("no process is registered as \x1b[2Jx")
    show(Asked(error), draw, Manner(is_json=is_json, interval_seconds=3.0))
    assert "\x1b" not in "".join(capsys.readouterr())


def test_what_fails_again_and_again_is_asked_less_often(pauses: list[float]) -> None:
    show(Asked(*[LOST] * 7, 1, LOST), draw, Manner(interval_seconds=2.0))
    assert pauses == [2.0, 4.0, 8.0, 16.0, MAX_PAUSE_SECONDS, MAX_PAUSE_SECONDS, MAX_PAUSE_SECONDS, 2.0, 2.0]


def test_a_pause_that_was_chosen_is_never_made_shorter(pauses: list[float]) -> None:
    show(Asked(*[LOST] * 3), draw, Manner(interval_seconds=600.0))
    assert pauses == [600.0] * 3


def test_a_disk_that_is_full_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_about: object, **_more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("builtins.print", full)
    with pytest.raises(ClientError, match=r"^the answer cannot be written: No space left on device$"):
        show(Asked(1), draw, Manner(is_json=True, interval_seconds=3.0))


# ------------------------------------------------------------------------------------------------------------- too soon


@pytest.mark.parametrize("manner", [Manner(), Manner(interval_seconds=60.0)])
def test_what_was_asked_a_moment_ago_is_asked_again_when_it_may_be(
    manner: Manner, capsys: pytest.CaptureFixture[str], pauses: list[float]
) -> None:
    show(Asked(AskAgain("a moment ago", 2.0), AskAgain("a moment ago", 1.0), 1), draw, manner)
    assert capsys.readouterr().out.startswith("number 1\n")
    assert pauses[:2] == [2.0, 1.0]


def test_nobody_is_made_to_wait_for_long(pauses: list[float]) -> None:
    with pytest.raises(AskAgain, match="ask again in 3595"):
        show(Asked(AskAgain("ask again in 3595 s", 3595.0)), draw, Manner())
    assert pauses == []


def test_nobody_is_made_to_wait_for_ever(pauses: list[float]) -> None:
    asked = Asked(*[AskAgain("a moment ago", 1.0)] * 100)
    with pytest.raises(AskAgain):
        show(asked, draw, Manner())
    assert asked.times == MAX_WAITS + 1
    assert sum(pauses) <= MAX_WAITS * MAX_WAIT_SECONDS


# --------------------------------------------------------------------------------------------------------------- Ctrl-C


@pytest.fixture(scope="module")
def collector() -> Iterator[str]:
    with serving_on_a_port(create_app(fleet_of(FakeSession()), Settings())) as url:
        yield url


def read_until(read: Callable[[], bytes], wanted: bytes) -> bytes:
    got, too_late = b"", time.monotonic() + PATIENCE_SECONDS
    while wanted not in got:
        assert time.monotonic() < too_late, got
        more = read()
        assert more, got
        got += more
    return got


def test_ctrl_c_ends_it_with_0_and_whole_lines(collector: str) -> None:
    with subprocess.Popen(
        [PROGRAM, "memory", "--watch", "--interval", "0.5", "--json", "--url", collector],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [process.stdout.readline(), process.stdout.readline()]
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, errors) == (0, b"")
    for line in (*lines, *rest.splitlines()):
        assert MemoryAnswer.model_validate_json(line).total_bytes == MEMORY.total


@pytest.mark.parametrize(
    "manner",
    [
        (),
        pytest.param(("--json",), marks=pytest.mark.slow),
        pytest.param(("--watch",), marks=pytest.mark.slow),
        ("--watch", "--json"),
    ],
    ids=" ".join,
)
def test_it_ends_quietly_when_nobody_reads_any_more(collector: str, manner: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        command = [str(PROGRAM), "memory", *manner, "--url", collector]
        ran = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, check=False, timeout=PATIENCE_SECONDS)
    assert (ran.returncode, ran.stderr) == (1, b"")


def test_ctrl_c_on_a_terminal_ends_it_with_0_and_gives_the_cursor_back(collector: str) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        process = subprocess.Popen(
            [PROGRAM, "memory", "--watch", "--interval", "0.5", "--url", collector],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"},
            start_new_session=True,
        )
        os.close(theirs)

        def read() -> bytes:
            ready, _, _ = select.select([screen], [], [], PATIENCE_SECONDS)
            try:
                return screen.read(65_536) if ready else b""
            except OSError:  # Linux says EIO where nobody has the terminal open any more
                return b""

        try:
            assert NODE.encode() in read_until(read, b"total")
            process.send_signal(signal.SIGINT)
            left = read_until(read, b"\x1b[?25h")
            while more := read():
                left += more
            assert process.wait(PATIENCE_SECONDS) == 0
        finally:
            process.kill()
            process.wait(PATIENCE_SECONDS)
    assert b"Traceback" not in left


# ---------------------------------------------------------------------------------------------------------- whom to ask


@pytest.fixture
def cookie_file() -> str:
    file = Path("cookie")
    file.write_text("a-cookie", encoding="ascii")
    file.chmod(0o400)
    return str(file)


def test_without_a_flag_the_collector_of_this_machine_is_asked() -> None:
    assert find_source({}, None) == Collector("http://127.0.0.1:9750")


def test_the_node_of_the_environment_is_the_sidecar_s_and_not_the_one_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEAMWARDEN_NODE", NODE)
    monkeypatch.setenv("BEAMWARDEN_LISTEN", "0.0.0.0:9999")
    assert find_source({}, None) == Collector("http://127.0.0.1:9999")


def test_a_node_alone_is_asked_itself(cookie_file: str) -> None:
    found = find_source({"node": f"{NODE}:9100", "cookie_file": cookie_file}, None)
    assert isinstance(found, Direct)
    assert str(found.target) == f"{NODE}:9100"


def test_a_node_beside_a_url_is_one_of_the_collector_s() -> None:
    assert find_source({"node": f"{NODE}:9100", "url": "https://a"}, None) == Collector("https://a", NODE)


def test_the_token_is_the_collector_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEAMWARDEN_ID_TOKEN", "ey.secret")
    found = find_source({"url": "https://a"}, None)
    assert found == Collector("https://a", None, "ey.secret")
    assert "ey.secret" not in repr(found)


def test_an_empty_node_is_a_mistake() -> None:
    with pytest.raises(SettingsError, match="--node"):
        find_source({"node": "@"}, None)
