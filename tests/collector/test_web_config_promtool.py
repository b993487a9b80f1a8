"""Our judgement of a web configuration against that of Prometheus: what it takes we take, but for what is listed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from collector.port.known_web_config import read_web_config
from collector.port.web_config import CIPHERS, WebConfigError
from tests.certificates import Authority
from tests.web_port import HASH

pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool: of Debian's package prometheus")

OWN: Final = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
VERIFY: Final = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"
TAKEN_BY_BOTH: Final[Mapping[str, str]] = {
    "nothing": "",
    "TLS": OWN,
    "whole": f"{OWN}{VERIFY}  min_version: TLS12\n  max_version: TLS13\n  prefer_server_cipher_suites: false\n",
    "verified if given": f"{OWN}  client_auth_type: VerifyClientCertIfGiven\n",
    "asked only": f"{OWN}  client_auth_type: RequestClientCert\n",
    "not asked": f"{OWN}  client_auth_type: NoClientCert\n",
    "all ciphers": f"{OWN}  cipher_suites: [{', '.join(CIPHERS)}]\n",
    "a curve": f"{OWN}  curve_preferences: [CurveP384]\n",
    "no HTTP/2": f"{OWN}http_server_config: {{http2: false}}\n",
    "HTTP/2": f"{OWN}http_server_config: {{http2: true}}\n",
    "empty values": f"{OWN}  client_ca_file: ''\n  client_auth_type:\nbasic_auth_users:\n",
    "headers": "http_server_config: {headers: {X-Frame-Options: deny, X-XSS-Protection: 1}}",
    "users": f"basic_auth_users: {{a: {HASH}, b: {HASH.replace('$2b$', '$2y$')}, c: {HASH.replace('$04$', '$18$')}}}",
    "a user by number": f"basic_auth_users: {{123: {HASH}}}",
}
REFUSED_BY_BOTH: Final[Mapping[str, str]] = {
    "junk": "junk",
    "unknown key": "tls_server_config: {cert_filse: server.crt}",
    "twice": f"{OWN}{OWN}",
    "no key": "tls_server_config: {cert_file: server.crt}",
    "empty key": "tls_server_config: {cert_file: server.crt, key_file: ''}",
    "no such file": "tls_server_config: {cert_file: gone, key_file: server.key}",
    "another's key": "tls_server_config: {cert_file: server.crt, key_file: other.key}",
    "no certificate": "tls_server_config: {cert_file: server.key, key_file: server.key}",
    "authorities for nobody": f"{OWN}  client_ca_file: ca.pem\n",
    "no such authorities": f"{OWN}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: gone\n",
    "unknown rule": f"{OWN}  client_auth_type: x\n",
    "unknown version": f"{OWN}  min_version: TLS111\n",
    "unknown cipher": f"{OWN}  cipher_suites: [TLS_NULL]\n",
    "unknown curve": f"{OWN}  curve_preferences: [CurveP257]\n",
    "another header": "http_server_config: {headers: {Content-Type: foo}}",
    "another value": "http_server_config: {headers: {X-Frame-Options: foo}}",
    "no hash": "basic_auth_users: {john: doe}",
    "an empty hash": "basic_auth_users: {john: ''}",
}
# Which Prometheus takes them depends on its age; the oldest that is tested against does not.
OF_NEWER_RELEASES: Final[Mapping[str, str]] = {
    "names": f"{OWN}{VERIFY}  client_allowed_sans: [a, b]\n",
    "a rate": "rate_limit: {interval: 1s, burst: 20}",
    "no rate": "rate_limit: {interval: 0, burst: 0}",
}
# Each of these would admit more than it says, or cannot be done: docs/security.md tells them.
ONLY_PROMETHEUS_TAKES: Final[Mapping[str, str]] = {
    "TLS 1.0": f"{OWN}  min_version: TLS10\n",
    "any certificate": f"{OWN}  client_auth_type: RequireAnyClientCert\n",
    "any certificate, as it was once called": f"{OWN}  client_auth_type: RequireClientCert\n",
    "any public certificate": f"{OWN}  client_auth_type: RequireAndVerifyClientCert\n",
    "authorities without any": f"{OWN}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: /dev/null\n",
    "TLS that is none": "tls_server_config: {min_version: TLS13}",
    "no version": f"{OWN}  min_version: TLS13\n  max_version: TLS12\n",
    "curves": f"{OWN}  curve_preferences: [CurveP256, X25519]\n",
    "endless": f"basic_auth_users: {{a: {HASH.replace('$04$', '$31$')}}}",
    "a user who cannot be given": f"basic_auth_users: {{'a:b': {HASH}}}",
    "aliases": f"basic_auth_users: {{a: &hash {HASH}, b: *hash}}",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them as files, beside the certificates that they name."""
    folder = tmp_path_factory.mktemp("web")
    authority = Authority(folder, "ca")
    for name in ("server", "other"):
        made = authority.certificate(name)
        made.file.replace(folder / f"{name}.crt")
        made.key_file.replace(folder / f"{name}.key")
    for cases in (TAKEN_BY_BOTH, REFUSED_BY_BOTH, OF_NEWER_RELEASES, ONLY_PROMETHEUS_TAKES):
        for name, text in cases.items():
            file_of(folder, name).write_text(text)
    return folder


def file_of(folder: Path, name: str) -> Path:
    return folder / (re.sub(r"\W", "_", name) + ".yml")


@pytest.fixture(scope="module")
def taken_by_prometheus(folder: Path) -> set[str]:
    names = [*TAKEN_BY_BOTH, *REFUSED_BY_BOTH, *ONLY_PROMETHEUS_TAKES]
    command = ["promtool", "check", "web-config", *(str(file_of(folder, name)) for name in names)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    said = ran.stdout + ran.stderr
    return {name for name in names if f"{file_of(folder, name)} SUCCESS" in said}


def is_taken_here(folder: Path, name: str) -> bool:
    try:
        read_web_config(file_of(folder, name))
    except WebConfigError:
        return False
    return True


@pytest.mark.parametrize("name", TAKEN_BY_BOTH)
def test_what_prometheus_takes_is_taken(folder: Path, taken_by_prometheus: set[str], name: str) -> None:
    assert (name in taken_by_prometheus, is_taken_here(folder, name)) == (True, True)


@pytest.mark.parametrize("name", REFUSED_BY_BOTH)
def test_what_prometheus_refuses_is_refused(folder: Path, taken_by_prometheus: set[str], name: str) -> None:
    assert (name in taken_by_prometheus, is_taken_here(folder, name)) == (False, False)


@pytest.mark.parametrize("name", OF_NEWER_RELEASES)
def test_what_newer_releases_take_is_taken(folder: Path, name: str) -> None:
    assert is_taken_here(folder, name)


@pytest.mark.parametrize("name", ONLY_PROMETHEUS_TAKES)
def test_what_only_prometheus_takes_is_known(folder: Path, taken_by_prometheus: set[str], name: str) -> None:
    assert (name in taken_by_prometheus, is_taken_here(folder, name)) == (True, False)
