from __future__ import annotations

import stat
from pathlib import Path

import httpx
import pytest

from collector.access import shell_token as module
from collector.access.permissions import Role
from collector.access.shell_token import read_shell_token, shell_token
from collector.access.tokens import TokensError, create_token, find_entry, is_token
from collector.app import create_app
from collector.load import load_settings, load_token
from collector.settings import Settings
from tests.collector_fakes import NODE, fleet_down

URL = "http://127.0.0.1:9750"
RESTARTS = "/api/v1/nodes/-/restarts"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run" / "shell.token"


def test_the_token_is_its_owners_alone_and_ends_with_the_collector(file: Path) -> None:
    with shell_token(file) as entry:
        token = read_shell_token(file)
        assert token is not None
        assert is_token(token)
        assert find_entry([entry], token) is entry
        assert (entry.name, entry.role) == ("shell", Role.OPERATOR)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert [*file.parent.iterdir()] == [file]
    assert [*file.parent.iterdir()] == []


def test_each_start_makes_another_token(file: Path) -> None:
    tokens = []
    for _ in range(2):
        with shell_token(file):
            tokens.append(read_shell_token(file))
    assert len({*tokens}) == 2


def test_a_collector_that_ends_leaves_what_the_one_in_its_place_has_written(file: Path) -> None:
    of_the_next = f"bw_{'n' * 43}"
    with shell_token(file):
        file.write_text(of_the_next)
    assert read_shell_token(file) == of_the_next


def test_nobody_else_is_called_as_the_shell_is(tmp_path: Path) -> None:
    with pytest.raises(TokensError, match="none of anyone, local, operator, shell, viewer"):
        create_token(tmp_path / "tokens", "shell", Role.OPERATOR)


def test_what_a_killed_collector_left_is_replaced(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("bw_" + "o" * 43)
    with shell_token(file) as entry:
        token = read_shell_token(file)
        assert token is not None
        assert find_entry([entry], token) is entry


def test_where_it_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("no folder")
    with (
        pytest.raises(TokensError, match=r"shell\.token cannot be written: (Not a directory|File exists)"),
        shell_token(tmp_path / "run" / "shell.token"),
    ):
        pass


def test_without_a_file_there_is_no_token(file: Path) -> None:
    assert read_shell_token(file) is None


def test_a_shell_that_was_told_nothing_finds_the_files_place_in_the_image(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IMAGE_FILE", file)
    with shell_token(file):
        assert load_token(load_settings({}, {}), {}) == file.read_text().strip()


def test_a_token_of_ones_own_goes_before_the_shells(file: Path, tmp_path: Path) -> None:
    own = create_token(tmp_path / "tokens", "maria", Role.VIEWER)
    with shell_token(file):
        settings = load_settings({"shell_token_file": str(file)}, {})
        assert load_token(settings, {"BEAMWARDEN_TOKEN": own}) == own


def test_another_collector_is_never_sent_the_shells_token(file: Path) -> None:
    with shell_token(file):
        settings = load_settings({"shell_token_file": str(file), "url": "https://collector.example"}, {})
        assert load_token(settings, {}) is None


@pytest.mark.parametrize("tokens", ["", "this is no line of tokens\n"], ids=["no tokens", "a broken file"])
async def test_the_shell_acts_whatever_becomes_of_the_tokens_file(file: Path, tmp_path: Path, tokens: str) -> None:
    (tmp_path / "tokens").write_text(tokens)
    app = create_app(fleet_down(NODE), Settings(tokens_file=tmp_path / "tokens"))
    with shell_token(file) as entry:
        app.state.tokens.of_shell = (entry,)
        token = read_shell_token(file)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client:
            by_shell, by_another = [
                await client.post(RESTARTS, json={}, headers={"Authorization": f"Bearer {shown}"})
                for shown in (token, "bw_" + "x" * 43)
            ]
    assert by_shell.status_code == 422
    assert by_another.status_code in {401, 403, 503}
