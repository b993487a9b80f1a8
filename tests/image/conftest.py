"""The image, built once, a node for it to look after, and a folder of secrets as Cloud Run mounts them."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from erlang_fixtures.beam import Beam, build_fixtures, otp25
from tests.image.building import Buildah, Image, why_no_image
from tests.image.container import Container, Sidecar, network


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    """Build it. Takes some minutes."""
    if (why := why_no_image()) is not None:
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="beamwarden-image-"))
    buildah = Buildah(folder)
    try:
        buildah.make_base("localhost/base")
        buildah.make_image("localhost/beamwarden", "localhost/base")
        yield Image.of(buildah, "localhost/beamwarden")
    finally:
        buildah("rm", "--all")
        # What a mount of the machine is still below must not be removed with it.
        subprocess.run(["umount", "--recursive", "--quiet", str(folder / "root")], check=False, capture_output=True)
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def beam(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Beam]]:
    """A node of TAI's shape in a network of its own, where every port is free."""
    found = otp25()
    assert found is not None, "erl is not on PATH: make setup"
    build_fixtures()
    with network() as name:
        erl = tmp_path_factory.mktemp("erl") / "erl"
        erl.write_text(f'#!/bin/sh\nexec ip netns exec {name} "{found}" "$@"\n')
        erl.chmod(0o755)
        with Beam(erl, name="tai_autonomics@127.0.0.1", applications=["tai_autonomics"]) as node:
            yield name, node


@pytest.fixture(scope="module")
def sidecar(image: Image, beam: tuple[str, Beam], tmp_path_factory: pytest.TempPathFactory) -> Sidecar:
    """Where the image runs. Its secrets belong to root and are for everybody to read, as Cloud Run has them."""
    name, node = beam
    secrets = tmp_path_factory.mktemp("secrets")
    (secrets / "cookie").write_text(node.cookie)
    (secrets / "cookie").chmod(0o444)
    secrets.chmod(0o755)
    return Sidecar(image, name, secrets)


@pytest.fixture(scope="module")
def environment(beam: tuple[str, Beam]) -> dict[str, str]:
    """What a deployment sets."""
    return {
        "BEAMWARDEN_NODE": beam[1].target,
        "BEAMWARDEN_COOKIE_FILE": "/mnt/cookie",
        "BEAMWARDEN_EXPECTED_SUPERVISORS": "tai_autonomics_sup,governance_sup",
        "BEAMWARDEN_SERVICE_URL": "none",
    }


@pytest.fixture(scope="module")
def container(
    sidecar: Sidecar, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Container]:
    """The image at work beside the node, for tests that leave it as it was."""
    with sidecar.running(tmp_path_factory.mktemp("log") / "log", environment) as running:
        sidecar.fetch("/health", until_status=200)
        yield running
