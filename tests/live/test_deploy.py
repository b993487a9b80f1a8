"""The sidecar with the variables, the files and the user that deploy/cloudrun gives it, beside a node."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from collector.access.permissions import Role
from collector.access.tokens import create_token
from erlang_fixtures.beam import Beam, free_port
from tests.deployment import USER, environment_of, image_environment, named, read

pytestmark = pytest.mark.live

PROGRAM = str(Path(sys.executable).with_name("beamwarden"))
AS_THE_IMAGE_S_USER = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups")
SECONDS = 60.0
ILL = {11, 12, 13, 14}  # a diagnosis ends so, from SEV-1 to SEV-4


@dataclass(frozen=True)
class Sidecar:
    """What runs in the container, and in the shells that are opened in it."""

    environment: Mapping[str, str]
    url: str
    token: str

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line as somebody in a shell of the container does."""
        command = (*not_as_root(), PROGRAM, *arguments)
        return subprocess.run(
            command, env=self.environment, cwd="/", capture_output=True, text=True, timeout=SECONDS, check=False
        )


def not_as_root() -> Sequence[str]:
    return AS_THE_IMAGE_S_USER if os.getuid() == 0 else ()


def until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/livez", trust_env=False, timeout=5).is_success:
                return
        time.sleep(0.05)
    raise AssertionError(f"it does not answer at {url}; ended with {process.poll()}")


def fill(folder: Path, beam: Beam) -> str:
    """Lay the secrets out as Cloud Run does, owned by root where we are root, and return an operator's token."""
    container = named(read("cloudrun/service.yaml")["spec"]["template"]["spec"]["containers"], "beamwarden")
    for mount in container["volumeMounts"]:
        (folder / mount["mountPath"].removeprefix("/")).mkdir(parents=True)
    token = create_token(folder / "secrets/tokens/tokens", "maria", Role.OPERATOR)
    (folder / "secrets/cookie/erlang-cookie").write_text(f"{beam.cookie}\n")
    for name in ("secrets/tokens/tokens", "secrets/cookie/erlang-cookie"):
        (folder / name).chmod(0o444)
        (folder / name).parent.chmod(0o555)
    (folder / "run/beamwarden").mkdir(parents=True)
    for name in ("var/lib/beamwarden", "run/beamwarden"):
        (folder / name).chmod(0o777)
    return token


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that every user may enter, which those of pytest are not."""
    path = Path(tempfile.mkdtemp(prefix="sidecar-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        for inner in path.glob("secrets/*"):
            inner.chmod(0o755)
        shutil.rmtree(path)


@pytest.fixture(scope="module")
def sidecar(beam: Beam, folder: Path) -> Iterator[Sidecar]:
    try:
        subprocess.run((*not_as_root(), PROGRAM, "--version"), check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"nobody but root can run {PROGRAM} here: {error}")
    token = fill(folder, beam)
    given = image_environment() | environment_of(
        named(read("cloudrun/service.yaml")["spec"]["template"]["spec"]["containers"], "beamwarden")
    )
    # Every path as in the container, below a folder; the node and the ports of this test.
    environment = {name: f"{folder}{value}" if value.startswith("/") else value for name, value in given.items()}
    address = f"127.0.0.1:{free_port()}"
    environment |= {
        "BEAMWARDEN_NODE": beam.target,
        "BEAMWARDEN_LISTEN": address,
        "BEAMWARDEN_SERVICE_URL": f"http://127.0.0.1:{free_port()}",
        "PATH": os.environ["PATH"],
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen((*not_as_root(), PROGRAM, "serve"), env=environment, cwd="/", stdout=log, stderr=log)
    try:
        until_it_answers(f"http://{address}", process)
        yield Sidecar(environment, f"http://{address}", token)
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_a_scrape_finds_the_node_up(sidecar: Sidecar) -> None:
    deadline = time.monotonic() + SECONDS
    while "\nbeam_up" not in (page := httpx.get(f"{sidecar.url}/metrics", trust_env=False, timeout=30).text) or (
        '"} 1.0' not in page.partition("\nbeam_up")[2].partition("\n")[0]
    ):
        assert time.monotonic() < deadline, page
    assert "beam_supervisor_up" in page


def test_a_shell_in_the_container_diagnoses_with_no_flag(sidecar: Sidecar, beam: Beam) -> None:
    ran = sidecar.run("diagnose")
    assert ran.returncode in {0, *ILL}, ran.stderr
    assert beam.name in ran.stdout


def test_a_shell_in_the_container_acts_with_no_flag(sidecar: Sidecar) -> None:
    ran = sidecar.run("gc", "receipt_store", "--yes", "--reason", "a look")
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.usefixtures("sidecar")
def test_the_cookie_s_mode_is_taken_with_one_warning(folder: Path) -> None:
    assert (folder / "log").read_text().count("we cannot change that, so it is taken") == 1


def test_a_cookie_that_the_user_s_group_may_read_is_taken_as_kubernetes_gives_it(
    sidecar: Sidecar, beam: Beam, folder: Path
) -> None:
    cookie = folder / "secrets/kubernetes/erlang-cookie"
    cookie.parent.mkdir()
    cookie.write_text(beam.cookie)
    cookie.chmod(0o440)
    if os.getuid() == 0:
        os.chown(cookie, 0, USER)
    cookie.parent.chmod(0o555)
    ran = sidecar.run("node", "--node", beam.target, "--cookie-file", str(cookie))
    assert ran.returncode == 0, ran.stderr


def test_a_token_of_the_secret_is_known(sidecar: Sidecar) -> None:
    through_a_proxy = {"X-Forwarded-For": "192.0.2.7"}
    answers = [
        httpx.get(f"{sidecar.url}/api/v1/nodes", headers=headers, trust_env=False, timeout=30).status_code
        for headers in (through_a_proxy, through_a_proxy | {"Authorization": f"Bearer {sidecar.token}"})
    ]
    assert answers == [401, 200]
