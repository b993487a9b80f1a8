"""What the README says is there, is there; and what is there, the README says."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

import scripts.cli
import scripts.settings
from collector.routes import audit as audit_api
from collector.routes import diagnostics, endpoints
from collector.routes import nodes as api
from collector.routes import restarts as restarts_api
from collector.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = sorted(path for path in ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("*.md"))


def test_the_pages_that_are_made_are_those_that_the_code_gives() -> None:
    made = [page.PAGE.name for page in (scripts.cli, scripts.settings) if page.PAGE.read_text("utf-8") != page.page()]
    assert made == [], "make docs"


def test_every_setting_is_on_the_page_of_settings_once() -> None:
    rows = re.findall(r"^\| `[^`]+`<br>`BEAMWARDEN_(\w+)`", scripts.settings.page(), re.MULTILINE)
    assert sorted(rows) == sorted(name.upper() for name in Settings.model_fields)


def test_every_command_has_an_example_that_it_understands() -> None:
    for name, command in scripts.cli.commands(scripts.cli.root()):
        examples = scripts.cli.EXAMPLES[name]
        assert examples or not command.callback, name
        for example in examples:
            words = shlex.split(example.line.partition(" > ")[0])
            assert " ".join(words).startswith(name)
            command.make_context(name, words[len(name.split()) :])  # fails where an option or a value is wrong


def test_every_address_is_in_the_readme() -> None:
    routes = [
        route.path
        for router in (api.router, audit_api.router, diagnostics.router, endpoints.router, restarts_api.router)
        for route in router.routes
        if isinstance(route, APIRoute)
    ]
    shortened = {path.removeprefix("/api/v1/nodes/{node}") or path for path in routes} - {"/"}
    assert [path for path in shortened if f"`{path}`" not in README and path not in README] == []


def test_every_command_is_in_the_readme() -> None:
    assert [name for name in scripts.cli.root().commands if not re.search(f"(`|beamwarden ){name}\\b", README)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_heading_leads_to_one(document: Path) -> None:
    links = re.findall(r"\]\(([\w./-]*\.md)?#([^)]+)\)", document.read_text())
    assert [f"{file}#{anchor}" for file, anchor in links if anchor not in anchors(document, file)] == []


def anchors(document: Path, file: str) -> set[str]:
    """The headings of a file, as a link names them."""
    text = (document.parent / file if file else document).read_text()
    titles = re.findall(r"^#+ (.*)", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


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


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="git is asked which files there are")
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
