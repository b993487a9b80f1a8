"""Builds the image without a daemon: buildah in a folder of its own, on a Debian that debootstrap has made."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PROJECT: Final = Path(__file__).parent.parent.parent
SUITE: Final = "bookworm"
CERTIFICATES: Final = Path("etc/ssl/certs/ca-certificates.crt")
BUILD_SECONDS: Final = 900.0


def why_no_image() -> str | None:
    """Return what is missing to make an image here; None when nothing is."""
    missing = [name for name in ("buildah", "debootstrap", "unshare", "ip") if shutil.which(name) is None]
    if missing:
        return f"not on this machine: {', '.join(missing)} (Debian: apt-get install buildah debootstrap iproute2)"
    return None if os.geteuid() == 0 else "mounting a root file system needs root"


@dataclass(frozen=True)
class Buildah:
    """buildah with all that it keeps below one folder."""

    folder: Path

    def __call__(self, *arguments: str) -> str:
        """Run it and return what it printed."""
        command = ["buildah", "--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run"]
        command += ["--storage-driver", "vfs", *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
        assert ran.returncode == 0, f"{' '.join(command)}\n{ran.stdout[-4000:]}\n{ran.stderr[-4000:]}"
        return ran.stdout.strip()

    def make_base(self, name: str) -> None:
        """Make an image of a small Debian with its Python."""
        tree = self.folder / "base"
        packages = "--include=python3,ca-certificates"
        subprocess.run(
            ["debootstrap", "--variant=minbase", packages, SUITE, str(tree)],
            check=True,
            capture_output=True,
            timeout=BUILD_SECONDS,
        )
        # As a company's own base has them: the authorities that this machine trusts.
        if (of_this_machine := Path("/") / CERTIFICATES).exists():
            shutil.copyfile(of_this_machine, tree / CERTIFICATES)
        container = self("from", "scratch")
        self("add", "--quiet", container, str(tree), "/")
        self("commit", "--quiet", "--rm", container, name)
        shutil.rmtree(tree)

    def make_image(self, name: str, base: str) -> None:
        """Make the project's image on ``base``, from what git has and what has changed since."""
        index = [f"--build-arg=PIP_INDEX_URL={url}"] if (url := os.environ.get("PIP_INDEX_URL")) else []
        self(
            "bud",
            *("--isolation", "chroot", "--format", "docker", "--tag", name),
            *(f"--build-arg=BASE={base}", f"--build-arg=PIP_CERT=/{CERTIFICATES}", *index),
            str(PROJECT),
        )


@dataclass(frozen=True)
class Image:
    """What was built: what the image says of itself, and its files."""

    configuration: dict[str, Any]
    tree: Path

    @classmethod
    def of(cls, buildah: Buildah, name: str) -> Image:
        """Look into an image."""
        told = json.loads(buildah("inspect", "--type", "image", name))
        return cls(told["Docker"]["config"], Path(buildah("mount", buildah("from", name))))

    @property
    def environment(self) -> dict[str, str]:
        """The variables that it sets."""
        return dict(variable.split("=", 1) for variable in self.configuration["Env"])

    @property
    def command(self) -> Sequence[str]:
        """What it runs."""
        return [*self.configuration["Entrypoint"], *self.configuration["Cmd"]]
