"""The files of TLS, and what its errors mean. With a real node: tests/live/test_tls.py."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from agent.errors import AgentError, NodeUnreachable, OurCertificateRefused, TlsMismatch, TlsSettingError
from agent.tls import Tls
from tests.certificates import Authority


@pytest.fixture
def cluster(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "cluster")


def locked(key_file: Path) -> Path:
    """The same key behind a pass phrase."""
    key = load_pem_private_key(key_file.read_bytes(), None)
    file = key_file.with_suffix(".locked")
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"a phrase"))
    )
    return file


def test_a_node_is_verified_unless_it_is_said_otherwise(cluster: Authority) -> None:
    context = Tls(ca_file=cluster.file).context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_verifying_can_be_given_up(cluster: Authority) -> None:
    context = Tls(ca_file=cluster.file, is_verified=False).context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


def test_a_certificate_may_have_its_key_in_the_same_file(cluster: Authority, tmp_path: Path) -> None:
    ours = cluster.certificate("w")
    both = tmp_path / "both.pem"
    both.write_bytes(ours.file.read_bytes() + ours.key_file.read_bytes())
    Tls(cluster.file, certificate_file=both).context()


WRONG: dict[str, tuple[Callable[[Authority, Path], Tls], str]] = {
    "no CA": (lambda _ca, _folder: Tls(server_name="x"), "set tls_ca_file"),
    "no such CA": (lambda _ca, folder: Tls(folder / "none"), "cannot be read: No such file"),
    "a CA that is a folder": (lambda _ca, folder: Tls(folder), "cannot be read|no certificate in PEM form"),
    "a CA that is none": (lambda ca, folder: Tls(_write(folder, b"junk")), "holds no certificate in PEM form"),
    "an empty CA": (lambda ca, folder: Tls(_write(folder, b"")), "holds no certificate in PEM form"),
    "no such certificate": (lambda ca, folder: Tls(ca.file, folder / "none"), "none cannot be read: No such file"),
    "no such key": (lambda ca, folder: Tls(ca.file, ca.file, folder / "none"), "none cannot be read: No such file"),
    "a key without certificate": (
        lambda ca, _folder: Tls(ca.file, key_file=ca.certificate("w").key_file),
        "has no certificate: set tls_certificate_file",
    ),
    "a key of another": (
        lambda ca, _folder: Tls(ca.file, ca.certificate("w").file, ca.certificate("v").key_file),
        "is not that of",
    ),
    "a certificate that is none": (
        lambda ca, folder: Tls(ca.file, _write(folder, b"junk"), ca.certificate("w").key_file),
        "both must be in PEM form",
    ),
    "a key that is none": (
        lambda ca, folder: Tls(ca.file, ca.certificate("w").file, _write(folder, b"junk")),
        "both must be in PEM form",
    ),
}


def _write(folder: Path, content: bytes) -> Path:
    file = folder / "file.pem"
    file.write_bytes(content)
    return file


@pytest.mark.parametrize(("make", "says"), WRONG.values(), ids=WRONG)
def test_a_file_that_cannot_be_used_is_told(
    make: Callable[[Authority, Path], Tls], says: str, cluster: Authority, tmp_path: Path
) -> None:
    with pytest.raises(TlsSettingError, match=says):
        make(cluster, tmp_path).context()


def test_nobody_is_asked_for_a_pass_phrase(cluster: Authority) -> None:
    ours = cluster.certificate("w")
    with pytest.raises(TlsSettingError, match="pass phrase"):
        Tls(cluster.file, ours.file, locked(ours.key_file)).context()


def reason(name: str) -> ssl.SSLError:
    error = ssl.SSLError(1, name)
    error.reason = name
    return error


@pytest.mark.parametrize(
    ("error", "meaning", "says"),
    [
        (reason("TLSV13_ALERT_CERTIFICATE_REQUIRED"), OurCertificateRefused, "certificate required"),
        (reason("SSLV3_ALERT_HANDSHAKE_FAILURE"), OurCertificateRefused, "or has no cipher in common"),
        (reason("TLSV1_ALERT_PROTOCOL_VERSION"), NodeUnreachable, "refused TLS (protocol version)"),
        (reason("SSLV3_ALERT_BAD_RECORD_MAC"), NodeUnreachable, "refused TLS (bad record mac)"),
        (reason("WRONG_VERSION_NUMBER"), TlsMismatch, "speaks no TLS"),
        (ConnectionResetError(), NodeUnreachable, "did not finish TLS"),
        (ConnectionAbortedError("SSL handshake is taking longer than 7 seconds"), NodeUnreachable, "inet_tls"),
        (reason("UNEXPECTED_EOF_WHILE_READING"), NodeUnreachable, "is going down"),
        (reason("BAD_SIGNATURE"), NodeUnreachable, "TLS failed: BAD_SIGNATURE"),
        (ssl.SSLError(), NodeUnreachable, "did not finish TLS"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_what_ends_tls_is_told_by_whose_fault_it_is(
    error: OSError, meaning: type[AgentError], says: str, cluster: Authority
) -> None:
    told = Tls(cluster.file).towards("tai.example.org", "tai@tai.example.org on port 9100").explain(error)
    assert type(told) is meaning
    assert str(told).startswith("tai@tai.example.org on port 9100")
    assert says in str(told)


@pytest.mark.parametrize("alert", ["UNKNOWN_CA", "CERTIFICATE_EXPIRED", "UNSUPPORTED_CERTIFICATE", "BAD_CERTIFICATE"])
def test_a_certificate_of_ours_that_is_refused_is_named(alert: str, cluster: Authority) -> None:
    ours = cluster.certificate("w")
    client = Tls(cluster.file, ours.file, ours.key_file).towards("tai.example.org", "tai@tai.example.org on port 9100")
    told = client.explain(reason(f"TLSV1_ALERT_{alert}"))
    assert isinstance(told, OurCertificateRefused)
    assert str(ours.file) in str(told)
    assert alert.lower().replace("_", " ") in str(told)


@pytest.mark.parametrize("error", [reason("WRONG_VERSION_NUMBER"), reason("SSLV3_ALERT_BAD_RECORD_MAC")])
def test_of_a_connection_that_stood_nobody_is_told_to_change_the_settings(error: OSError, cluster: Authority) -> None:
    told = Tls(cluster.file).towards("tai.example.org", "tai@tai.example.org on port 9100").explain(error, is_open=True)
    assert type(told) is NodeUnreachable
    assert "TLS broke" in str(told)


@pytest.mark.parametrize("name", ["", "x" * 64, ".foo", "foo..bar", "a\0b"])
def test_what_is_no_server_name_is_refused(name: str, cluster: Authority) -> None:
    with pytest.raises(TlsSettingError, match="no host name"):
        Tls(cluster.file, server_name=name).context()


def test_the_dot_at_the_end_of_a_host_is_in_no_certificate(cluster: Authority) -> None:
    assert Tls(cluster.file).towards("tai.example.org.", "").server_name == "tai.example.org"
