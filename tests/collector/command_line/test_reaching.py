"""How the command line finds a collector with TLS and passwords, and comes in: beside it, and from elsewhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from collector.access.permissions import Role
from collector.access.tokens import create_token
from collector.command_line.client import ClientError, Collector
from collector.command_line.reaching import find_collector
from collector.load import LOGIN_VARIABLE, load_login, load_settings
from collector.port.web_config import WebConfigError
from collector.settings import SettingsError
from tests.certificates import LONG_AGO, Authority, Certificate
from tests.collector_fakes import MEMORY
from tests.command_line import Run
from tests.web_port import USERS, Port, serving_with, with_tls, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder, "ours")


@pytest.fixture(scope="module")
def own(authority: Authority) -> Certificate:
    return authority.certificate("127.0.0.1")


def asks(port: Port, environ: Mapping[str, str] | None = None, **settings: object) -> Collector:
    """What a command would ask with these settings, where the collector listens on this port."""
    flags = {name: str(value) for name, value in settings.items()}
    return find_collector(load_settings({"listen": f"127.0.0.1:{port.number}"} | flags, {}), environ or {})


def reads(collector: Collector) -> bool:
    return collector.memory().total_bytes == MEMORY.total


# --------------------------------------------------------------------------------------------------------- beside it


def test_beside_it_nothing_more_is_needed_than_its_own_settings(tmp_path: Path, authority: Authority) -> None:
    # For another name than 127.0.0.1, and no longer valid: it is known from its file.
    own = authority.certificate("collector.internal", not_before=LONG_AGO, not_after=LONG_AGO)
    file, shell = write(tmp_path / "web.yml", with_tls(own) + USERS), tmp_path / "shell.token"
    with serving_with(file, shell=shell) as port:
        collector = asks(port, web_config_file=file, shell_token_file=shell)
        assert collector.url == f"https://127.0.0.1:{port.number}"
        assert reads(collector)


def test_the_command_line_itself_does_so(tmp_path: Path, own: Certificate, run: Run) -> None:
    file, shell = write(tmp_path / "web.yml", with_tls(own) + USERS), tmp_path / "shell.token"
    with serving_with(file, shell=shell) as port:
        listen = f'listen = "127.0.0.1:{port.number}"\n'
        Path("beamwarden.toml").write_text(f'{listen}web_config_file = "{file}"\nshell_token_file = "{shell}"\n')
        ran = run("memory")
    assert (ran.status, ran.errors) == (0, "")


def test_passwords_without_tls_work_as_well(tmp_path: Path) -> None:
    file, shell = write(tmp_path / "web.yml", USERS), tmp_path / "shell.token"
    with serving_with(file, shell=shell) as port:
        assert reads(asks(port, web_config_file=file, shell_token_file=shell))


def test_without_a_shell_s_token_it_says_what_to_do(tmp_path: Path) -> None:
    file = write(tmp_path / "web.yml", USERS)
    with (
        serving_with(file) as port,
        pytest.raises(ClientError, match=r"BASIC_AUTH.*shell_token_file is set"),
    ):
        asks(port, web_config_file=file).memory()


def test_whoever_else_listens_there_is_not_believed(tmp_path: Path, authority: Authority, own: Certificate) -> None:
    # By the same authority: of the chain in the file nothing is trusted but the certificate itself.
    other = authority.certificate("127.0.0.1")
    with serving_with(write(tmp_path / "other.yml", with_tls(other) + USERS)) as port:
        collector = asks(port, web_config_file=write(tmp_path / "web.yml", with_tls(own) + USERS))
        with pytest.raises(ClientError, match="is not believed"):
            collector.memory()


def test_a_collector_that_wants_certificates_gets_ours(tmp_path: Path, authority: Authority, own: Certificate) -> None:
    ours = authority.certificate("somebody.internal")
    rules = f"  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: {authority.file}\n"
    file = write(tmp_path / "web.yml", with_tls(own, rules))
    with serving_with(file) as port:
        shown: dict[str, object] = {
            "url_certificate_file": ours.file,
            "url_key_file": ours.key_file,
            "web_config_file": file,
        }
        assert reads(asks(port, {}, **shown))
        with pytest.raises(ClientError, match="--url-certificate-file"):
            asks(port, web_config_file=file).memory()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("junk", "web.yml, line 1: the whole: it is no table of keys"),
        ("tls_server_config: {cert_file: gone, key_file: gone}", "its certificate cannot be read"),
        ("tls_server_config: {cert: a, key: a}", "its certificate cannot be read"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_told(tmp_path: Path, text: str, told: str, run: Run) -> None:
    file = write(tmp_path / "web.yml", text)
    Path("beamwarden.toml").write_text(f'web_config_file = "{file}"\n')
    ran = run("memory")
    assert ran.status == 2
    assert told in ran.errors


def test_one_that_is_not_there_is_told(tmp_path: Path) -> None:
    settings = load_settings({"web_config_file": str(tmp_path / "gone.yml")}, {})
    with pytest.raises(WebConfigError, match=r"cannot be read: No such file or directory$"):
        find_collector(settings, {})


# ------------------------------------------------------------------------------------------------------ from elsewhere


def test_from_elsewhere_it_is_believed_by_its_authority(tmp_path: Path, authority: Authority, own: Certificate) -> None:
    with serving_with(write(tmp_path / "web.yml", with_tls(own) + USERS)) as port:
        environ = {LOGIN_VARIABLE: "prometheus:right"}
        assert reads(asks(port, environ, url=port.url, url_ca_file=authority.file))
        with pytest.raises(ClientError, match=r"is not believed \(.*--url-ca-file"):
            asks(port, environ, url=port.url).memory()


def test_a_url_is_asked_whatever_configuration_is_here(tmp_path: Path, authority: Authority, own: Certificate) -> None:
    with serving_with(write(tmp_path / "web.yml", with_tls(own))) as port:
        assert reads(asks(port, url=port.url, url_ca_file=authority.file, web_config_file="/nowhere"))


def test_a_token_goes_before_a_password(tmp_path: Path) -> None:
    tokens_file, token_file = tmp_path / "tokens", tmp_path / "mine"
    token_file.write_text(create_token(tokens_file, "maria", Role.VIEWER))
    token_file.chmod(0o600)
    with serving_with(write(tmp_path / "web.yml", USERS), {"tokens_file": str(tokens_file)}) as port:
        assert reads(asks(port, {LOGIN_VARIABLE: "prometheus:wrong"}, url=port.url, token_file=token_file))


def test_a_wrong_password_is_told(tmp_path: Path) -> None:
    with serving_with(write(tmp_path / "web.yml", USERS)) as port, pytest.raises(ClientError, match=r"another one$"):
        asks(port, {LOGIN_VARIABLE: "prometheus:wrong"}, url=port.url).memory()


def test_a_password_is_not_sent_where_others_could_read_it() -> None:
    collector = Collector("http://192.0.2.1:9750", login="prometheus:right")
    with pytest.raises(ClientError, match=r"others could read the password: use https, or no --basic-auth-file"):
        collector.memory()


def test_who_asks_a_tls_port_without_tls_is_told(tmp_path: Path, own: Certificate) -> None:
    with (
        serving_with(write(tmp_path / "web.yml", with_tls(own))) as port,
        pytest.raises(ClientError, match="this port speaks TLS, and was asked without"),
    ):
        asks(port).memory()


def test_who_asks_a_port_without_tls_for_it_is_told(tmp_path: Path) -> None:
    with (
        serving_with(write(tmp_path / "web.yml", USERS)) as port,
        pytest.raises(ClientError, match=r"speaks no TLS: ask it by http$"),
    ):
        asks(port, url=f"https://127.0.0.1:{port.number}").memory()


def test_a_key_without_a_certificate_is_told(own: Certificate) -> None:
    with pytest.raises(SettingsError, match="set url_certificate_file too"):
        find_collector(load_settings({"url_key_file": str(own.key_file)}, {}), {})


# -------------------------------------------------------------------------------------------------- user and password


def login_of(folder: Path, content: bytes, mode: int = 0o600) -> str | None:
    file = folder / "login"
    file.write_bytes(content)
    file.chmod(mode)
    return load_login(load_settings({"basic_auth_file": str(file)}, {}), {LOGIN_VARIABLE: "not:this"})


def test_a_login_is_read_from_its_file(tmp_path: Path) -> None:
    assert login_of(tmp_path, "maria:пароль: mit Leerzeichen\n".encode()) == "maria:пароль: mit Leerzeichen"


def test_a_login_is_read_from_its_variable() -> None:
    settings = load_settings({}, {LOGIN_VARIABLE: "maria:secret"})
    assert load_login(settings, {LOGIN_VARIABLE: "maria:secret"}) == "maria:secret"
    assert load_login(settings, {LOGIN_VARIABLE: ""}) is None
    assert load_login(settings, {}) is None


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"maria", b"maria:", b":secret", b"a:secret\nb:secret", b"a:secret\xff"]
)
def test_what_is_no_login_is_told_and_not_shown(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SettingsError, match=r"should hold user:password, in one line$|is no UTF-8$") as caught:
        login_of(tmp_path, content)
    assert "secret" not in str(caught.value)


def test_a_login_that_others_may_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="chmod 600"):
        login_of(tmp_path, b"maria:secret", 0o640)


def test_a_login_has_no_place_in_the_settings_file() -> None:
    Path("beamwarden.toml").write_text('basic_auth = "maria:secret"\n')
    with pytest.raises(SettingsError, match="basic_auth: a secret does not belong here"):
        load_settings({}, os.environ)
