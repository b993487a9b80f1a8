"""The image, built for real and run beside a real node: ``make image-test``, which takes some minutes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

import pytest

from collector.version import VERSION
from tests.image.building import PROJECT, Image
from tests.image.container import Container, Sidecar

pytestmark = pytest.mark.image

MAX_RESIDENT_BYTES: Final = 80 << 20


def test_it_runs_as_a_user_without_rights_and_says_what_it_is(image: Image) -> None:
    assert image.configuration["User"] == "65532:65532"
    labels = image.configuration["Labels"]
    assert labels["org.opencontainers.image.version"] == VERSION
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert image.configuration["ExposedPorts"] == {"9750/tcp": {}}


def test_nothing_in_it_can_build_or_install_or_is_erlang(image: Image) -> None:
    programs = {path.name for folder in ("bin", "sbin") for path in (image.tree / "usr" / folder).iterdir()}
    programs |= {path.name for path in (image.tree / "opt/beamwarden/bin").iterdir()}
    assert {"sh", "python3", "beamwarden"} <= programs
    assert {"gcc", "cc", "g++", "make", "pip", "pip3", "erl", "erlc", "escript", "epmd", "git"} & programs == set()


def test_of_the_project_it_has_the_two_packages_and_no_source_tree(image: Image) -> None:
    [packages] = (image.tree / "opt/beamwarden/lib").glob("python3*/site-packages")
    for package in ("agent", "collector"):
        ours = {path.relative_to(PROJECT) for path in (PROJECT / package).rglob("*") if _is_source(path)}
        theirs = {path.relative_to(packages) for path in (packages / package).rglob("*") if _is_source(path)}
        assert theirs == ours
    assert not (image.tree / "source").exists()
    pinned = re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==", (PROJECT / "requirements/run.txt").read_text(), re.MULTILINE)
    installed = {path.name.partition("-")[0].replace("_", "-").lower() for path in packages.glob("*.dist-info")}
    assert installed - {"beamwarden"} <= {name.replace("_", "-").lower() for name in pinned}


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


def test_everything_is_compiled_so_that_a_start_compiles_nothing(image: Image) -> None:
    [packages] = (image.tree / "opt/beamwarden/lib").glob("python3*/site-packages")
    modules = [*packages.glob("agent/**/*.py"), *packages.glob("collector/**/*.py")]
    not_compiled = [path for path in modules if not [*(path.parent / "__pycache__").glob(f"{path.stem}.*.pyc")]]
    assert not_compiled == []


def test_beside_a_node_it_serves_what_a_scraper_wants(sidecar: Sidecar, container: Container) -> None:
    page = sidecar.fetch("/metrics", until_status=200)
    assert re.search(r"^beam_up\{.*\} 1\.0$", page, re.MULTILINE)
    assert container.resident_bytes() < MAX_RESIDENT_BYTES


@pytest.mark.parametrize("command", [["memory"], ["node"], ["supervisors"], ["diagnose"]], ids=" ".join)
def test_a_shell_that_was_told_nothing_asks_without_a_flag(
    sidecar: Sidecar, container: Container, command: list[str]
) -> None:
    ran = sidecar.shell(container, "beamwarden", *command)
    assert ran.returncode == 0, ran.stderr
    assert "tai_autonomics@127.0.0.1" in ran.stdout


def test_a_shell_that_was_told_nothing_looks_at_the_whole_screen(sidecar: Sidecar, container: Container) -> None:
    assert sidecar.screen(container, "beamwarden top", until="tai_autonomics@127.0.0.1", then="q") == 0


def test_a_shell_that_was_told_nothing_restarts_a_child_and_the_journal_has_it(
    sidecar: Sidecar, container: Container
) -> None:
    restart = ["restart", "receipt_store", "--reason", "a test", "--yes", "--accept-data-loss", "receipt_ledger"]
    ran = sidecar.shell(container, "beamwarden", *restart)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    journal = sidecar.shell(container, "beamwarden", "audit", "--url", "http://127.0.0.1:9750")
    assert re.search(r"\bshell\b.*receipt_store", journal.stdout), journal.stdout + journal.stderr


def test_its_health_check_goes_by_the_program_alone(sidecar: Sidecar, container: Container, image: Image) -> None:
    _, *check = image.configuration["Healthcheck"]["Test"]
    assert sidecar.shell(container, *check).returncode == 0
    elsewhere = {"BEAMWARDEN_LISTEN": "127.0.0.1:1"}
    assert sidecar.shell(container, *check, environment=elsewhere).returncode == 1


def test_without_any_folder_to_write_to_it_serves_and_says_that_nothing_can_be_done_from_there(
    sidecar: Sidecar, environment: dict[str, str], tmp_path: Path
) -> None:
    elsewhere = environment | {"BEAMWARDEN_LISTEN": "127.0.0.1:9751"}
    with sidecar.running(tmp_path / "log", elsewhere, in_memory=()):
        sidecar.fetch("/health", until_status=200, port=9751)
    log = (tmp_path / "log").read_text()
    assert "journal.db" in log
    assert "shell.token cannot be written: Read-only file system" in log


def test_with_settings_that_are_wrong_it_stays_and_says_so(
    sidecar: Sidecar, environment: dict[str, str], tmp_path: Path
) -> None:
    wrong = environment | {"BEAMWARDEN_LISTEN": "127.0.0.1:9753", "BEAMWARDEN_NODE": "no name of a node"}
    with sidecar.running(tmp_path / "log", wrong) as container:
        assert "BEAMWARDEN_NODE" in sidecar.fetch("/health", until_status=503, port=9753)
        sidecar.fetch("/livez", until_status=200, port=9753)
        told = sidecar.shell(container, "beamwarden", "diagnose", "--url", "http://127.0.0.1:9753")
        assert "BEAMWARDEN_NODE" in told.stderr
        assert container.end() == 0


def test_told_to_end_it_ends_well(sidecar: Sidecar, environment: dict[str, str], tmp_path: Path) -> None:
    elsewhere = environment | {"BEAMWARDEN_LISTEN": "127.0.0.1:9752"}
    with sidecar.running(tmp_path / "log", elsewhere) as container:
        sidecar.fetch("/health", until_status=200, port=9752)
        assert container.end() == 0


def test_the_version_on_its_label_is_that_of_the_project() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    [label] = re.findall(r'image\.version="([^"]+)"', (PROJECT / "Dockerfile").read_text())
    assert label == project["version"]
