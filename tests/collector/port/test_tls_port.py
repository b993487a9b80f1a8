"""TLS on the port, over real sockets, with real certificates: who is let in, by which rules, and what is renewed."""

from __future__ import annotations

import logging
import socket
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from collector.port import known_web_config, tls_port
from tests.certificates import LONG_AGO, Authority, Certificate
from tests.collector_fakes import assert_problem
from tests.web_port import Port, serving_with, trusting, with_tls, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder, "ours")


@pytest.fixture(scope="module")
def stranger(folder: Path) -> Authority:
    return Authority(folder, "another")


@pytest.fixture(scope="module")
def own(authority: Authority) -> Certificate:
    return authority.certificate("127.0.0.1", "collector.internal")


@pytest.fixture(scope="module")
def client(authority: Authority) -> Certificate:
    return authority.certificate("prometheus.internal", "2001:db8::1", "scraper@example.org")


def is_let_in(port: Port, trust: ssl.SSLContext) -> bool:
    """Whether a request is answered; one that is refused is cut off, in one way or another."""
    try:
        return port.get("/livez", trust).status_code == 200
    except httpx.TransportError:
        return False


def test_requests_over_tls_are_answered(tmp_path: Path, authority: Authority, own: Certificate) -> None:
    with serving_with(write(tmp_path / "web.yml", with_tls(own))) as port:
        assert port.url.startswith("https://")
        assert port.get("/livez", trusting(authority)).status_code == 200
        assert port.get("/api/v1/nodes", trusting(authority)).status_code == 200


def test_a_certificate_may_stand_in_the_file_itself(tmp_path: Path, authority: Authority, own: Certificate) -> None:
    def inline(name: str, file: Path) -> str:
        return f"  {name}: |\n" + "".join(f"    {line}\n" for line in file.read_text().splitlines())

    text = "tls_server_config:\n" + inline("cert", own.file) + inline("key", own.key_file)
    with serving_with(write(tmp_path / "web.yml", text)) as port:
        assert is_let_in(port, trusting(authority))


@pytest.mark.parametrize(
    ("rule", "let_in"),
    [
        ("NoClientCert", ["nothing", "theirs", "a stranger's"]),
        ("RequestClientCert", ["nothing", "theirs", "a stranger's"]),
        ("VerifyClientCertIfGiven", ["nothing", "theirs"]),
        ("RequireAndVerifyClientCert", ["theirs"]),
    ],
)
def test_each_rule_for_clients_lets_in_whom_it_says(
    tmp_path: Path,
    authority: Authority,
    stranger: Authority,
    own: Certificate,
    rule: str,
    let_in: list[str],
) -> None:
    of_clients = "" if rule in {"NoClientCert", "RequestClientCert"} else f"  client_ca_file: {authority.file}\n"
    text = with_tls(own, f"  client_auth_type: {rule}\n{of_clients}")
    theirs = authority.certificate("prometheus.internal")
    shown = {"nothing": None, "theirs": theirs, "a stranger's": stranger.certificate("prometheus.internal")}
    with serving_with(write(tmp_path / "web.yml", text)) as port:
        assert [what for what, one in shown.items() if is_let_in(port, trusting(authority, one))] == let_in


@pytest.mark.parametrize(
    ("allowed", "is_in"),
    [
        ("prometheus.internal", True),
        ("2001:db8::1", True),
        ("scraper@example.org", True),
        ("*.internal", False),
        ("internal", False),
    ],
)
def test_of_verified_clients_only_those_with_an_allowed_name_are_let_in(
    tmp_path: Path,
    authority: Authority,
    own: Certificate,
    client: Certificate,
    allowed: str,
    is_in: bool,  # noqa: FBT001  # of a parameter
) -> None:
    rules = f"  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: {authority.file}\n"
    text = with_tls(own, f'{rules}  client_allowed_sans: ["nobody.internal", "{allowed}"]\n')
    with serving_with(write(tmp_path / "web.yml", text)) as port:
        assert is_let_in(port, trusting(authority, client)) == is_in


def test_who_is_not_let_in_is_told_in_the_log_once(
    tmp_path: Path, authority: Authority, own: Certificate, client: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    rules = f"  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: {authority.file}\n"
    text = with_tls(own, f"{rules}  client_allowed_sans: [nobody.internal]\n")
    with serving_with(write(tmp_path / "web.yml", text)) as port:
        for _ in range(2):
            assert not is_let_in(port, trusting(authority))
            assert not is_let_in(port, trusting(authority, client))
    assert [record.getMessage() for record in caplog.records] == [
        "no TLS with 127.0.0.1: peer did not return a certificate",
        "no TLS with 127.0.0.1: its certificate is for none of client_allowed_sans",
    ]


def test_who_may_come_without_a_certificate_may_not_where_names_are_listed(
    tmp_path: Path, authority: Authority, own: Certificate, client: Certificate
) -> None:
    rules = f"  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: {authority.file}\n"
    text = with_tls(own, f"{rules}  client_allowed_sans: [prometheus.internal]\n")
    with serving_with(write(tmp_path / "web.yml", text)) as port:
        assert not is_let_in(port, trusting(authority))
        assert is_let_in(port, trusting(authority, client))


@pytest.mark.parametrize(
    ("rules", "versions"),
    [
        ("", {"TLSv1_2", "TLSv1_3"}),
        ("  min_version: TLS13\n", {"TLSv1_3"}),
        ("  max_version: TLS12\n", {"TLSv1_2"}),
        ("  cipher_suites: [TLS_AES_128_GCM_SHA256]\n", {"TLSv1_3"}),
        ("  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n", {"TLSv1_2", "TLSv1_3"}),
        ("  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n", {"TLSv1_3"}),  # the certificate is an EC one
    ],
)
def test_versions_and_ciphers_are_those_of_the_configuration(
    tmp_path: Path, authority: Authority, own: Certificate, rules: str, versions: set[str]
) -> None:
    spoken = set()
    with serving_with(write(tmp_path / "web.yml", with_tls(own, rules))) as port:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            trust = trusting(authority)
            trust.minimum_version = trust.maximum_version = version
            if is_let_in(port, trust):
                spoken.add(version.name)
    assert spoken == versions


@pytest.mark.parametrize(("is_the_server_s", "chosen"), [("true", "AES256"), ("false", "AES128")])
def test_who_chooses_the_cipher_is_as_configured(
    tmp_path: Path, authority: Authority, own: Certificate, is_the_server_s: str, chosen: str
) -> None:
    suites = "[TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]"
    rules = f"  max_version: TLS12\n  cipher_suites: {suites}\n  prefer_server_cipher_suites: {is_the_server_s}\n"
    trust = trusting(authority)
    trust.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")
    with (
        serving_with(write(tmp_path / "web.yml", with_tls(own, rules))) as port,
        socket.create_connection(("127.0.0.1", port.number), timeout=10) as plain,
        trust.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        assert chosen in (connection.cipher() or ("",))[0]


@pytest.mark.parametrize(("theirs", "is_in"), [("P-521", True), ("P-256", False), ("X25519", False)])
def test_the_curve_is_that_of_the_configuration(
    tmp_path: Path,
    own: Certificate,
    theirs: str,
    is_in: bool,  # noqa: FBT001  # of a parameter
) -> None:
    with serving_with(write(tmp_path / "web.yml", with_tls(own, "  curve_preferences: [CurveP521]\n"))) as port:
        address = f"127.0.0.1:{port.number}"
        command = ["openssl", "s_client", "-connect", address, "-groups", theirs, "-brief"]
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    assert (ran.returncode == 0) == is_in


def test_whoever_speaks_plain_http_is_told(tmp_path: Path, own: Certificate) -> None:
    with serving_with(write(tmp_path / "web.yml", with_tls(own))) as port:
        answer = httpx.get(f"http://127.0.0.1:{port.number}/metrics", trust_env=False)
    assert "ask it by https" in assert_problem(answer, 400, "tls-needed")["detail"]


def test_who_says_nothing_is_let_go(tmp_path: Path, own: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_port, "BEGIN_SECONDS", 0.05)
    with (
        serving_with(write(tmp_path / "web.yml", with_tls(own))) as port,
        socket.create_connection(("127.0.0.1", port.number), timeout=10) as connection,
    ):
        assert connection.recv(1) == b""


def test_who_stops_in_the_handshake_is_let_go(
    tmp_path: Path, own: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_port, "BEGIN_SECONDS", 0.2)
    with (
        serving_with(write(tmp_path / "web.yml", with_tls(own))) as port,
        socket.create_connection(("127.0.0.1", port.number), timeout=10) as connection,
    ):
        connection.sendall(b"\x16\x03\x01")
        assert connection.recv(1) == b""


def test_rubbish_ends_its_own_connection_only(tmp_path: Path, authority: Authority, own: Certificate) -> None:
    with serving_with(write(tmp_path / "web.yml", with_tls(own))) as port:
        for rubbish in (
            b"\x00" * 100,
            b"\x16\x03\x01\xff\xff" + b"\x01" * 400,
            b"\x80\x2e\x01",
            b"get / HTTP/1.1\r\n\r\n",
        ):
            with socket.create_connection(("127.0.0.1", port.number), timeout=10) as connection:
                connection.sendall(rubbish)
        assert is_let_in(port, trusting(authority))


# --------------------------------------------------------------------------------------------------------- renewed


@pytest.fixture
def looked_at_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_web_config, "LOOK_SECONDS", 0.0)


def serial_number(port: Port, authority: Authority) -> str:
    with (
        socket.create_connection(("127.0.0.1", port.number), timeout=10) as plain,
        trusting(authority).wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        return str((connection.getpeercert() or {})["serialNumber"])


@pytest.mark.usefixtures("looked_at_always")
def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path, authority: Authority) -> None:
    first, second = authority.certificate("127.0.0.1"), authority.certificate("127.0.0.1")
    with serving_with(write(tmp_path / "web.yml", with_tls(first))) as port:
        before = serial_number(port, authority)
        second.key_file.replace(first.key_file)
        second.file.replace(first.file)
        assert serial_number(port, authority) != before


@pytest.mark.usefixtures("looked_at_always")
@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda file, own: own.file.write_text("half a certi"), "cannot be used: both must be in PEM form"),
        (lambda file, own: own.key_file.unlink(), "cannot be read: No such file or directory"),
        (lambda file, own: file.write_text("tls_server_config: ["), "is no YAML"),
        (lambda file, own: file.write_text(""), "TLS ends only when the collector starts"),
        (lambda file, own: file.unlink(), "cannot be read: No such file or directory"),
    ],
    ids=["certificate", "key", "yaml", "no TLS", "no file"],
)
def test_what_is_spoiled_later_leaves_what_was_there_and_is_told(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture, spoil: object, told: str
) -> None:
    own = authority.certificate("127.0.0.1")
    file = write(tmp_path / "web.yml", with_tls(own))
    with serving_with(file) as port:
        assert is_let_in(port, trusting(authority))
        spoil(file, own)  # type: ignore[operator]  # one of the functions above
        assert is_let_in(port, trusting(authority))
        assert is_let_in(port, trusting(authority))
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert told in line
    assert line.endswith("; what was read before stays in force")


@pytest.mark.usefixtures("looked_at_always")
def test_tls_does_not_begin_by_itself(tmp_path: Path, own: Certificate, caplog: pytest.LogCaptureFixture) -> None:
    file = write(tmp_path / "web.yml", "")
    with serving_with(file) as port:
        file.write_text(with_tls(own))
        assert port.get("/livez").status_code == 200
        assert port.get("/metrics").status_code == 200
    assert "TLS begins only when the collector starts" in caplog.text


@pytest.mark.usefixtures("looked_at_always")
def test_that_all_is_well_again_is_told(tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    own = authority.certificate("127.0.0.1")
    file = write(tmp_path / "web.yml", with_tls(own))
    with serving_with(file) as port:
        file.write_text("junk")
        assert is_let_in(port, trusting(authority))
        file.write_text(with_tls(own, "  min_version: TLS13\n"))
        assert is_let_in(port, trusting(authority))
    assert "is read again" in caplog.text


def test_an_expired_certificate_is_shown_all_the_same(tmp_path: Path, authority: Authority) -> None:
    expired = authority.certificate("127.0.0.1", not_before=LONG_AGO, not_after=LONG_AGO)
    with serving_with(write(tmp_path / "web.yml", with_tls(expired))) as port, pytest.raises(httpx.ConnectError):
        port.get("/livez", trusting(authority))
