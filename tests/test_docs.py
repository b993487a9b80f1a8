"""What the README says is there, is there; and what is there, the README says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import typer.main
from fastapi.routing import APIRoute

from collector import api, audit_api, cli, diagnostics, endpoints, restarts_api
from collector.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = sorted(path for path in ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("setting", list(Settings.model_fields))
def test_every_setting_is_in_the_readme(setting: str) -> None:
    assert f"| `{setting}` |" in README


def test_the_readme_names_no_setting_that_does_not_exist() -> None:
    table = README.partition("### Settings")[2].partition("## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(Settings.model_fields)


def test_every_address_is_in_the_readme() -> None:
    routes = [
        route.path
        for router in (api.router, audit_api.router, diagnostics.router, endpoints.router, restarts_api.router)
        for route in router.routes
        if isinstance(route, APIRoute)
    ]
    shortened = {path.removeprefix("/api/v1/nodes/{node}") or path for path in routes} - {"/"}
    assert [path for path in shortened if f"`{path}`" not in README and path not in README] == []


def test_every_command_is_in_the_readme_with_an_example() -> None:
    commands = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]  # a group
    assert [name for name in commands if f"beamwarden {name}" not in README] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_that_is_named_exists(document: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"`?make ([a-z-]+)[`\s]", document.read_text())) <= set(targets)


def test_every_file_of_the_readme_s_map_exists() -> None:
    tree = README.partition("## Map")[2].partition("```\n")[2].partition("```")[0]
    package, missing = Path(), []
    for line in tree.splitlines():
        names = re.match(r"( *)((?:[\w.]+(?:/|\.py)\s*)*)", line)
        assert names is not None
        if not names[1] and names[2]:
            package = Path(names[2].strip())
        for name in names[2].split():
            path = ROOT / (name if not names[1] else package / name)
            if not path.exists():
                missing.append(str(path))
    assert missing == []


def test_no_registry_address_and_no_path_of_a_machine_is_in_the_project() -> None:
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    pattern = re.compile(r"https?://[^ \"')]+/(?:simple|packages|debian)(?:/|$)|/root/|/home/\w", re.M)
    found = [
        f"{name}: {hit[0]}"
        for name in files.split("\0")
        if name and not name.endswith("test_docs.py") and (ROOT / name).is_file()
        for hit in [pattern.search((ROOT / name).read_text(errors="replace"))]
        if hit
    ]
    assert found == []
