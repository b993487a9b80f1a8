from __future__ import annotations

import logging
import os
import stat
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from agent.errors import AgentError, CookieError, SettingError, TlsSettingError
from agent.handshake import Cookie
from agent.limits import Limits
from agent.names import Target
from agent.node import Node
from agent.session import Options
from agent.tls import Tls
from collector.command_line.client import Direct
from collector.load import (
    describe,
    flag_of,
    journal_path,
    load_cookie,
    load_options,
    load_settings,
    load_token,
    tokens_file,
)
from collector.settings import Address, Settings, SettingsError
from tests.certificates import Authority

CHALLENGE = 1_234_567
NOTHING: Mapping[str, str] = {}


def targets(*names: str) -> tuple[Target, ...]:
    return tuple(Target.parse(name) for name in names)


def settings_file(content: str) -> Path:
    file = Path("settings.toml")
    file.write_text(content, encoding="utf-8")
    return file


def mistakes(flags: Mapping[str, object], environ: Mapping[str, str] = NOTHING, file: Path | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(flags, environ, file)
    return str(caught.value).splitlines()


# ---------------------------------------------------------------------------------------------------------- precedence


class Kind(NamedTuple):
    """One setting, given in the file, in the environment and as a flag, and what becomes of each."""

    in_file: str
    in_environment: str
    as_flag: object
    from_file: object
    from_environment: object
    from_flag: object


YES, NO = True, False
EVERYWHERE = "0.0.0.0"  # noqa: S104  # read, not bound

KINDS = {
    "node": Kind('["a@file"]', "a@env", ["a@flag"], targets("a@file"), targets("a@env"), targets("a@flag")),
    "cookie_file": Kind('"/file"', "/env", Path("/flag"), Path("/file"), Path("/env"), Path("/flag")),
    "own_name": Kind('"file"', "env", "flag@here", "file", "env", "flag@here"),
    "epmd_port": Kind("4001", "4002", "4003", 4001, 4002, 4003),
    "tls_ca_file": Kind('"/file"', "/env", "/flag", Path("/file"), Path("/env"), Path("/flag")),
    "tls_certificate_file": Kind('"/file"', "/env", "/flag", Path("/file"), Path("/env"), Path("/flag")),
    "tls_key_file": Kind('"/file"', "/env", "/flag", Path("/file"), Path("/env"), Path("/flag")),
    "tls_server_name": Kind('"file"', "env", "flag", "file", "env", "flag"),
    "tls_insecure_no_verify": Kind("true", "false", YES, YES, NO, YES),
    "answer_memory_bytes": Kind("70000000", "71000000", "72000000", 70_000_000, 71_000_000, 72_000_000),
    "listen": Kind(
        '"127.0.0.1:1"',
        f"{EVERYWHERE}:2",
        "[::1]:3",
        Address("127.0.0.1", 1),
        Address(EVERYWHERE, 2),
        Address("::1", 3),
    ),
    "url": Kind('"http://file"', "http://env", "http://flag", "http://file", "http://env", "http://flag"),
    "id_token": Kind('"file"', "env", "flag", "file", "env", "flag"),
    "token_file": Kind('"/file"', "/env", "/flag", Path("/file"), Path("/env"), Path("/flag")),
    "web_config_file": Kind('"/file"', "/env", "/flag", Path("/file"), Path("/env"), Path("/flag")),
    "url_ca_file": Kind('"/file"', "/env", "/flag", Path("/file"), Path("/env"), Path("/flag")),
    "url_certificate_file": Kind('"/file"', "/env", "/flag", Path("/file"), Path("/env"), Path("/flag")),
    "url_key_file": Kind('"/file"', "/env", "/flag", Path("/file"), Path("/env"), Path("/flag")),
    "basic_auth_file": Kind('"/file"', "/env", "/flag", Path("/file"), Path("/env"), Path("/flag")),
    "shell_token_file": Kind('"/file"', "/env", "/flag", Path("/file"), Path("/env"), Path("/flag")),
    "tokens_file": Kind('"/file"', "/env", "/flag", Path("/file"), Path("/env"), Path("/flag")),
    "allowed_hosts": Kind('["file.example"]', "ENV", "flag.", ("file.example",), ("env",), ("flag",)),
    "insecure_no_auth": Kind("true", "false", YES, YES, NO, YES),
    "journal": Kind('"/file"', "/env", "/flag", Path("/file"), Path("/env"), Path("/flag")),
    "expected_supervisors": Kind('["file_sup"]', "env_sup", "flag_sup", ("file_sup",), ("env_sup",), ("flag_sup",)),
    "watch_tables": Kind('["file"]', "env", "flag", ("file",), ("env",), ("flag",)),
    "governor_supervisors": Kind('["file_sup"]', "env_sup", "flag_sup", ("file_sup",), ("env_sup",), ("flag_sup",)),
    "extra_supervisors": Kind('["file_sup"]', "env_sup", "flag_sup", ("file_sup",), ("env_sup",), ("flag_sup",)),
    "max_scheduler_share": Kind("0.1", "0.2", "0.3", 0.1, 0.2, 0.3),
    "fresh_min_interval_seconds": Kind("1.5", "2.5", "3.5", 1.5, 2.5, 3.5),
    "restart_applications": Kind('["file"]', "env", "flag", ("file",), ("env",), ("flag",)),
    "restart_denied_applications": Kind('["file"]', "env", "flag", ("file",), ("env",), ("flag",)),
    "restart_cooldown_seconds": Kind("1.5", "2.5", "3.5", 1.5, 2.5, 3.5),
    "restart_max_actions": Kind("1", "2", "3", 1, 2, 3),
    "restart_window_seconds": Kind("1.5", "2.5", "3.5", 1.5, 2.5, 3.5),
    "restart_retries": Kind("1", "2", "0", 1, 2, 0),
    "allow_ets_delete": Kind("true", "false", YES, YES, NO, YES),
    "watch_minutes": Kind("1.5", "2.5", "0", 1.5, 2.5, 0.0),
    "vitals_interval_seconds": Kind("1.5", "2.5", "3.5", 1.5, 2.5, 3.5),
    "black_box": Kind("false", "true", NO, NO, YES, NO),
    "trend_interval_seconds": Kind("1.5", "0", "3.5", 1.5, 0.0, 3.5),
    "log_format": Kind('"json"', "text", "auto", "json", "text", "auto"),
    "naming": Kind('"v6"', "legacy", "both", "v6", "legacy", "both"),
    "scrape_without": Kind(
        '["mnesia", "ets"]', "ets, mnesia", "allocators", ("mnesia", "ets"), ("ets", "mnesia"), ("allocators",)
    ),
    "scrape_max_series": Kind("1000", "2000", "3000", 1_000, 2_000, 3_000),
    "service_url": Kind('"http://file"', "http://env", "http://flag", "http://file", "http://env", "http://flag"),
    "service_memory_limit_bytes": Kind("1048576", "2097152", "3145728", 1 << 20, 2 << 20, 3 << 20),
    "prometheus_url": Kind('"http://file"', "http://env", "http://flag", "http://file", "http://env", "http://flag"),
    "prometheus_selector": Kind("'job=\"file\"'", 'job="env"', '{job="flag"}', 'job="file"', 'job="env"', 'job="flag"'),
    "cloud_project": Kind('"file"', "env", "flag", "file", "env", "flag"),
    "cloud_region": Kind('"file"', "env", "flag", "file", "env", "flag"),
    "cloud_service": Kind('"file"', "env", "flag", "file", "env", "flag"),
    "diagnosis_error_share_high": Kind("0.02", "0.03", "0.04", 0.02, 0.03, 0.04),
    "diagnosis_error_share_critical": Kind("0.6", "0.7", "0.8", 0.6, 0.7, 0.8),
    "diagnosis_latency_seconds_medium": Kind("1.5", "2", "2.5", 1.5, 2.0, 2.5),
    "diagnosis_latency_seconds_high": Kind("6", "7", "8", 6.0, 7.0, 8.0),
    "diagnosis_least_requests": Kind("10", "20", "30", 10, 20, 30),
    "diagnosis_memory_share_medium": Kind("0.5", "0.6", "0.7", 0.5, 0.6, 0.7),
    "diagnosis_memory_share_high": Kind("0.85", "0.87", "0.92", 0.85, 0.87, 0.92),
    "diagnosis_memory_share_critical": Kind("0.96", "0.97", "0.98", 0.96, 0.97, 0.98),
    "diagnosis_limit_share_medium": Kind("0.5", "0.6", "0.7", 0.5, 0.6, 0.7),
    "diagnosis_limit_share_high": Kind("0.96", "0.97", "0.98", 0.96, 0.97, 0.98),
    "diagnosis_mailbox_messages_medium": Kind("1000", "2000", "3000", 1_000, 2_000, 3_000),
    "diagnosis_mailbox_messages_high": Kind("200000", "300000", "400000", 200_000, 300_000, 400_000),
    "diagnosis_restarts_left": Kind("2", "3", "0", 2, 3, 0),
    "diagnosis_soon_minutes": Kind("10", "20", "40", 10.0, 20.0, 40.0),
    "diagnosis_rise_share": Kind("0.1", "0.2", "0.3", 0.1, 0.2, 0.3),
    "diagnosis_run_queue_length": Kind("5", "6", "7", 5, 6, 7),
    "diagnosis_port_queue_bytes": Kind("1000", "2000", "3000", 1_000, 2_000, 3_000),
    "diagnosis_action_queue_depth": Kind("50", "60", "70", 50, 60, 70),
    "diagnosis_governor_messages": Kind("500", "600", "700", 500, 600, 700),
    "stay": Kind("true", "false", YES, YES, NO, YES),
    "memory_ceiling_bytes": Kind("150000000", "160000000", "170000000", 150_000_000, 160_000_000, 170_000_000),
}


def test_the_table_has_every_setting() -> None:
    assert set(KINDS) == set(Settings.model_fields)


@pytest.mark.parametrize("name", KINDS)
def test_a_setting_comes_from_the_file(name: str) -> None:
    file = settings_file(f"{name} = {KINDS[name].in_file}")
    assert getattr(load_settings({}, {}, file), name) == KINDS[name].from_file


@pytest.mark.parametrize("name", KINDS)
def test_the_environment_outranks_the_file(name: str) -> None:
    file = settings_file(f"{name} = {KINDS[name].in_file}")
    environ = {f"BEAMWARDEN_{name.upper()}": KINDS[name].in_environment}
    assert getattr(load_settings({}, environ, file), name) == KINDS[name].from_environment


@pytest.mark.parametrize("name", KINDS)
def test_a_flag_outranks_environment_and_file(name: str) -> None:
    file = settings_file(f"{name} = {KINDS[name].in_file}")
    environ = {f"BEAMWARDEN_{name.upper()}": KINDS[name].in_environment}
    assert getattr(load_settings({name: KINDS[name].as_flag}, environ, file), name) == KINDS[name].from_flag


@pytest.mark.parametrize(
    ("milder", "worse"),
    [
        ("diagnosis_error_share_high", "diagnosis_error_share_critical"),
        ("diagnosis_latency_seconds_medium", "diagnosis_latency_seconds_high"),
        ("diagnosis_memory_share_medium", "diagnosis_memory_share_high"),
        ("diagnosis_memory_share_high", "diagnosis_memory_share_critical"),
        ("diagnosis_limit_share_medium", "diagnosis_limit_share_high"),
        ("diagnosis_mailbox_messages_medium", "diagnosis_mailbox_messages_high"),
    ],
)
def test_what_is_worse_does_not_begin_earlier(milder: str, worse: str) -> None:
    whole = milder.endswith("messages_medium")
    values = {milder: "20" if whole else "0.9", worse: "10" if whole else "0.3"}
    if worse.endswith("share_critical") and "memory" in worse:
        values["diagnosis_memory_share_medium"] = "0.2"
    with pytest.raises(SettingsError, match=f"{worse.upper()}.* is less than {milder}"):
        load_settings({}, {f"BEAMWARDEN_{name.upper()}": value for name, value in values.items()})


def test_thresholds_stand_in_a_table_of_their_own_in_the_file() -> None:
    file = settings_file("[diagnosis]\nmailbox_messages_medium = 500\nmemory_share_critical = 0.99")
    settings = load_settings({}, {}, file)
    assert (settings.diagnosis_mailbox_messages_medium, settings.diagnosis_memory_share_critical) == (500, 0.99)


def test_the_defaults_are_those_of_a_sidecar() -> None:
    settings = load_settings({}, {})
    assert settings == Settings()
    assert settings.node == ()
    assert settings.cookie_file is None
    assert settings.own_name is None
    assert settings.epmd_port == 4369
    assert settings.tls is None
    assert settings.answer_memory_bytes == 128 * 1024 * 1024
    assert settings.listen == Address("127.0.0.1", 9750)
    assert settings.insecure_no_auth is False
    assert settings.expected_supervisors == ()
    assert settings.vitals_interval_seconds == 60.0
    assert settings.log_format == "auto"


def test_an_overridden_value_need_not_be_right() -> None:
    assert load_settings({"epmd_port": "4000"}, {"BEAMWARDEN_EPMD_PORT": "junk"}).epmd_port == 4000


def test_erlang_s_own_variable_for_epmd_s_port_is_read() -> None:
    assert load_settings({}, {"ERL_EPMD_PORT": "4001"}).epmd_port == 4001


def test_every_setting_of_ours_outranks_erlang_s_variable() -> None:
    erlang = {"ERL_EPMD_PORT": "4001"}
    assert load_settings({}, erlang, settings_file("epmd_port = 4002")).epmd_port == 4002
    assert load_settings({}, erlang | {"BEAMWARDEN_EPMD_PORT": "4003"}).epmd_port == 4003
    assert load_settings({"epmd_port": "4004"}, erlang).epmd_port == 4004


def test_a_wrong_variable_of_erlang_is_told_with_its_name() -> None:
    [mistake] = mistakes({}, {"ERL_EPMD_PORT": "none"})
    assert mistake.startswith("ERL_EPMD_PORT (environment): ")


def test_an_empty_variable_of_erlang_is_none() -> None:
    assert load_settings({}, {"ERL_EPMD_PORT": ""}).epmd_port == 4369


# ----------------------------------------------------------------------------------------------------------------- tls


def test_the_file_has_a_table_for_tls() -> None:
    file = settings_file('own_name = "warden"\n[tls]\nca_file = "/ca"\nserver_name = "tai.example.org"')
    settings = load_settings({}, {}, file)
    assert settings.tls == Tls(ca_file=Path("/ca"), server_name="tai.example.org")
    assert settings.own_name == "warden"


def test_a_wrong_line_of_the_table_is_told_with_its_name() -> None:
    [mistake] = mistakes({}, {}, settings_file('[tls]\nca_flie = "/ca"'))
    assert mistake.startswith("settings.toml: [tls] ca_flie: there is no such setting; there are ca_file, certificate_")


def test_the_lines_of_the_table_have_no_prefix() -> None:
    [mistake] = mistakes({}, {}, settings_file('[tls]\ntls_ca_file = "/ca"'))
    assert "there are ca_file," in mistake


@pytest.mark.parametrize("name", ["", "x" * 64, "foo..bar"])
def test_a_server_name_that_cannot_be_one_is_told(name: str) -> None:
    [mistake] = mistakes({"tls_server_name": name})
    assert mistake.startswith(f"--tls-server-name: {name!r} is no host name and no address")


def test_a_path_with_a_nul_is_told() -> None:
    [mistake] = mistakes({"tls_ca_file": "a\0b"})
    assert mistake.startswith("--tls-ca-file: a path has no NUL in it")


def test_what_kubernetes_sets_beside_a_service_named_erl_epmd_is_no_port() -> None:
    assert load_settings({}, {"ERL_EPMD_PORT": "tcp://10.0.0.1:4369"}).epmd_port == 4369


def test_an_empty_variable_names_no_file() -> None:
    assert load_settings({}, {"BEAMWARDEN_CONFIG": ""}) == Settings()


def test_tls_that_is_no_table_is_told() -> None:
    [mistake] = mistakes({}, {}, settings_file("tls = true"))
    assert mistake == "settings.toml: tls: is no table; it should be a line [tls] with its settings below"


def test_tls_is_on_when_anything_of_it_is_set() -> None:
    assert load_settings({"tls_insecure_no_verify": True}, {}).tls == Tls(is_verified=False)
    assert load_settings({"tls_ca_file": "/ca"}, {}).tls == Tls(ca_file=Path("/ca"))


def test_a_certificate_that_cannot_be_used_is_told_when_we_start() -> None:
    with pytest.raises(TlsSettingError, match="the CA file /no/such/ca cannot be read"):
        load_options(load_settings({"tls_ca_file": "/no/such/ca"}, {}))


def test_how_to_connect_comes_from_the_settings(tmp_path: Path) -> None:
    file = Authority(tmp_path, "cluster").file
    flags = {"own_name": "warden", "epmd_port": "4001", "tls_ca_file": str(file), "answer_memory_bytes": "70000000"}
    assert load_options(load_settings(flags, {})) == Options(
        own_name="warden", epmd_port=4001, tls=Tls(ca_file=file), limits=Limits(70_000_000)
    )


def test_other_variables_are_none_of_ours() -> None:
    environ = {"PATH": "/bin", "BEAMWARDENS": "many", "BEAMWARDEN_COOKIE": "a secret", "LISTEN": "x"}
    assert load_settings({}, environ) == Settings()


# --------------------------------------------------------------------------------------------------------------- lists


def test_the_environment_separates_a_list_by_commas() -> None:
    environ = {"BEAMWARDEN_NODE": "a@x, b@y:9100,", "BEAMWARDEN_EXPECTED_SUPERVISORS": "one_sup,two_sup"}
    settings = load_settings({}, environ)
    assert settings.node == targets("a@x", "b@y:9100")
    assert settings.expected_supervisors == ("one_sup", "two_sup")


def test_the_file_has_a_list_as_an_array() -> None:
    file = settings_file('node = ["a@x", "b@y:9100"]\nexpected_supervisors = ["one_sup", "two_sup"]')
    settings = load_settings({}, {}, file)
    assert settings.node == targets("a@x", "b@y:9100")
    assert settings.expected_supervisors == ("one_sup", "two_sup")


def test_the_file_may_have_a_list_of_one_as_a_text() -> None:
    assert load_settings({}, {}, settings_file('node = "a@x"')).node == targets("a@x")


def test_an_empty_list_of_the_environment_overrides_that_of_the_file() -> None:
    file = settings_file('expected_supervisors = ["one_sup"]')
    assert load_settings({}, {"BEAMWARDEN_EXPECTED_SUPERVISORS": ""}, file).expected_supervisors == ()


@pytest.mark.parametrize(
    "setting", ["expected_supervisors", "watch_tables", "governor_supervisors", "extra_supervisors"]
)
def test_a_name_that_could_not_be_sent_is_refused(setting: str) -> None:
    (mistake,) = mistakes({setting: "a_sup,\udcff"})
    assert mistake.startswith(f"--{setting.replace('_', '-')}: '\\udcff' has bytes that are no text; it should be ")


def test_a_node_may_not_be_given_twice() -> None:
    assert mistakes({"node": ["a@x", "b@y", "a@x:9100"]}) == [
        "--node: a@x is given twice; it should be a node to watch: name@host, or name@host:port when no epmd runs there"
    ]


# -------------------------------------------------------------------------------------------------------- wrong values


class Wrong(NamedTuple):
    name: str
    text: str  # as in a variable or behind a flag
    what: str  # part of what is said about it
    should_be: str  # part of what it should be


WRONG = [
    Wrong("node", "tai_autonomics", "'tai_autonomics' is no node name", "name@host"),
    Wrong("node", "tai@127.0.0.1:99999", "no port between 1 and 65535", "name@host:port"),
    Wrong("own_name", "two words", "no node name", "name or name@host"),
    Wrong("own_name", "", "no node name", "name or name@host"),
    Wrong("epmd_port", "none", "valid integer", "1 to 65535"),
    Wrong("epmd_port", "0", "greater than or equal to 1", "1 to 65535"),
    Wrong("epmd_port", "65536", "less than or equal to 65535", "1 to 65535"),
    Wrong("listen", "9750", "'9750' is no address with a port", "address:port"),
    Wrong("listen", ":9750", "is no address with a port", "address:port"),
    Wrong("listen", "127.0.0.1", "is no address with a port", "address:port"),
    Wrong("listen", "127.0.0.1:65536", "is no address with a port", "address:port"),
    Wrong("listen", "127.0.0.1:0000099999", "is no address with a port", "address:port"),
    Wrong("listen", "127.0.0.1:-1", "is no address with a port", "address:port"),
    Wrong("listen", "127.0.0.1:²", "is no address with a port", "address:port"),
    Wrong("insecure_no_auth", "perhaps", "valid boolean", "true to let everybody"),
    Wrong("allowed_hosts", "a.example:80", "'a.example:80' is no name of a host", "names by which"),
    Wrong("allowed_hosts", "https://a.example", "is no name of a host", "beside localhost"),
    Wrong("allowed_hosts", "*", "'*' is no name of a host", "beside localhost"),
    Wrong("trend_interval_seconds", "0.5", "0.5 is less than a second", "1 to 60, or 0 to keep none"),
    Wrong("trend_interval_seconds", "61", "less than or equal to 60", "1 to 60, or 0 to keep none"),
    Wrong("trend_interval_seconds", "nan", "less than or equal to 60", "1 to 60, or 0 to keep none"),
    Wrong("vitals_interval_seconds", "0.5", "greater than or equal to 1", "1 to 86400"),
    Wrong("vitals_interval_seconds", "86401", "less than or equal to 86400", "1 to 86400"),
    Wrong("vitals_interval_seconds", "nan", "less than or equal to 86400", "1 to 86400"),
    Wrong("log_format", "xml", "'auto', 'json' or 'text'", "json, text, or auto"),
    Wrong("naming", "v5", "'v6', 'legacy' or 'both'", "or both"),
    Wrong(
        "scrape_without", "dets", "'dets' is no probe of a scrape; there are identity, memory", "probes that scrapes"
    ),
    Wrong("scrape_max_series", "999", "greater than or equal to 1000", "1000 to 10000000"),
]


def assert_explains(told: list[str], place: str, wrong: Wrong) -> None:
    [line] = told
    assert line.startswith(f"{place}: ")
    found, _, should_be = line.removeprefix(f"{place}: ").partition("; it should be ")
    assert wrong.what in found
    assert wrong.should_be in should_be


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_flag_is_named_with_what_it_should_be(wrong: Wrong) -> None:
    flag = [wrong.text] if wrong.name == "node" else wrong.text
    assert_explains(mistakes({wrong.name: flag}), "--" + wrong.name.replace("_", "-"), wrong)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_variable_is_named_with_what_it_should_be(wrong: Wrong) -> None:
    variable = f"BEAMWARDEN_{wrong.name.upper()}"
    assert_explains(mistakes({}, {variable: wrong.text}), f"{variable} (environment)", wrong)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_line_of_the_file_is_named_with_what_it_should_be(wrong: Wrong) -> None:
    file = settings_file(f'{wrong.name} = "{wrong.text}"')
    assert_explains(mistakes({}, {}, file), f"settings.toml: {wrong.name}", wrong)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("node = 5", "neither a text nor a list"),
        ("node = [5]", "not a text"),
        ("cookie_file = 5", "not a valid path"),
        ("own_name = 5", "valid string"),
        ("epmd_port = [4369]", "valid integer"),
        ("listen = 9750", "not a text"),
        ('listen = {host = "0.0.0.0", port = 99999}', "not a text"),
        ("url = 5", "valid string"),
        ('insecure_no_auth = ["yes"]', "valid boolean"),
        ("expected_supervisors = 5", "neither a text nor a list"),
        ("expected_supervisors = [5]", "valid string"),
        ("log_format = true", "'auto', 'json' or 'text'"),
    ],
)
def test_a_value_of_another_type_in_the_file_is_named(line: str, what: str) -> None:
    [told] = mistakes({}, {}, settings_file(line))
    name = line.partition(" ")[0]
    assert told.startswith(f"settings.toml: {name}: ")
    assert what in told
    assert told.endswith(f"; it should be {describe(name)}")


def test_an_own_name_that_the_node_cannot_talk_to_is_named_with_its_place() -> None:
    [told] = mistakes({"node": ["tai@127.0.0.1"]}, {"BEAMWARDEN_OWN_NAME": "warden@shorthost"})
    assert told.startswith("BEAMWARDEN_OWN_NAME (environment): warden@shorthost cannot talk to tai@127.0.0.1: ")


def test_an_own_name_without_a_host_suits_every_node() -> None:
    assert load_settings({"node": ["a@127.0.0.1", "b@shorthost"], "own_name": "warden"}, {}).own_name == "warden"


def test_several_mistakes_are_told_at_once() -> None:
    file = settings_file('epmd_port = 0\ncookie = "x"\nlog_fromat = "json"')
    environ = {"BEAMWARDEN_VITALS_INTERVAL_SECONDS": "often", "BEAMWARDEN_LISTEM": "127.0.0.1:1"}
    told = mistakes({"node": ["nobody", "a@x", "nowhere"], "own_name": "two words"}, environ, file)
    places = {
        "settings.toml: cookie: a secret",
        "settings.toml: log_fromat: there is",
        "BEAMWARDEN_LISTEM (environment): there is",
        "--node: 'nobody'",
        "--node: 'nowhere'",
        "--own-name: 'two words@localhost'",
        "settings.toml: epmd_port: Input",
        "BEAMWARDEN_VITALS_INTERVAL_SECONDS (environment): Input",
    }
    assert len(told) == len(places)
    assert all(any(line.startswith(place) for line in told) for place in places), told


# ------------------------------------------------------------------------------------------------------- unknown names


def test_an_unknown_variable_is_named_with_the_nearest() -> None:
    assert mistakes({}, {"BEAMWARDEN_LISTEM": "127.0.0.1:1"}) == [
        "BEAMWARDEN_LISTEM (environment): there is no such setting; did you mean BEAMWARDEN_LISTEN?"
    ]


def test_a_variable_in_lower_case_is_unknown() -> None:
    assert mistakes({}, {"BEAMWARDEN_listen": "127.0.0.1:1"}) == [
        "BEAMWARDEN_listen (environment): there is no such setting; did you mean BEAMWARDEN_LISTEN?"
    ]


def test_an_unknown_line_of_the_file_is_named_with_the_nearest() -> None:
    assert mistakes({}, {}, settings_file('nodes = ["a@x"]')) == [
        "settings.toml: nodes: there is no such setting; did you mean node?"
    ]


def test_a_name_near_to_none_is_answered_with_all_that_there_are() -> None:
    [of_environment, of_file] = sorted(mistakes({}, {"BEAMWARDEN_ZZZ": "1"}, settings_file("zzz = 1")))
    variables = ", ".join(f"BEAMWARDEN_{name.upper()}" for name in Settings.model_fields)
    assert of_environment == f"BEAMWARDEN_ZZZ (environment): there is no such setting; there are {variables}"
    assert of_file == f"settings.toml: zzz: there is no such setting; there are {', '.join(Settings.model_fields)}"


@pytest.mark.parametrize("secret", ["cookie", "token"])
def test_a_secret_in_the_file_is_refused(secret: str) -> None:
    assert mistakes({}, {}, settings_file(f'{secret} = "monster"')) == [
        f"settings.toml: {secret}: a secret does not belong here; put it in a file and set {secret}_file"
    ]


# ----------------------------------------------------------------------------------------------------------- the file


def test_beamwarden_toml_in_the_current_folder_is_read() -> None:
    Path("beamwarden.toml").write_text("epmd_port = 4001", encoding="utf-8")
    assert load_settings({}, {}).epmd_port == 4001


def test_beamwarden_config_names_another_file() -> None:
    Path("beamwarden.toml").write_text("epmd_port = 4001", encoding="utf-8")
    file = settings_file("epmd_port = 4002")
    assert load_settings({}, {"BEAMWARDEN_CONFIG": str(file)}).epmd_port == 4002


def test_a_file_that_is_given_outranks_beamwarden_config() -> None:
    file = settings_file("epmd_port = 4002")
    assert load_settings({}, {"BEAMWARDEN_CONFIG": "/nowhere.toml"}, file).epmd_port == 4002


def test_a_file_that_is_missing_is_named() -> None:
    assert mistakes({}, {}, Path("nowhere.toml")) == ["nowhere.toml: cannot be read: No such file or directory"]


def test_a_missing_file_of_beamwarden_config_is_named() -> None:
    told = mistakes({}, {"BEAMWARDEN_CONFIG": "nowhere.toml"})
    assert told == ["nowhere.toml: cannot be read: No such file or directory"]


def test_a_broken_file_is_told_with_the_line() -> None:
    [told] = mistakes({}, {}, settings_file('node = "a@x"\nlisten = ?\nurl = "x"'))
    assert told.startswith("settings.toml: is no TOML: ")
    assert "line 2" in told


def test_a_file_that_is_no_text_is_told() -> None:
    file = Path("settings.toml")
    file.write_bytes(b"\xff\xfe")
    [told] = mistakes({}, {}, file)
    assert told.startswith("settings.toml: is no TOML: ")


# ------------------------------------------------------------------------------------------------------------ addresses


@pytest.mark.parametrize(
    ("text", "address", "printed"),
    [
        ("127.0.0.1:9750", Address("127.0.0.1", 9750), "127.0.0.1:9750"),
        ("localhost:80", Address("localhost", 80), "localhost:80"),
        ("[::1]:9750", Address("::1", 9750), "[::1]:9750"),
        ("::1:9750", Address("::1", 9750), "[::1]:9750"),
        ("[::]:0", Address("::", 0), "[::]:0"),
    ],
)
def test_an_address_is_read_and_printed(text: str, address: Address, printed: str) -> None:
    assert load_settings({"listen": text}, {}).listen == address
    assert str(address) == printed


def test_an_address_may_be_made_already() -> None:
    assert Settings(listen=Address("127.0.0.1", 1)).listen == Address("127.0.0.1", 1)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_this_machine_alone_reaches_a_loopback_address(host: str) -> None:
    assert Address(host, 9750).is_loopback


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "10.0.0.7", "fe80::1", "beamwarden", "127.example.com", "12.7.0.0"])
def test_others_reach_every_other_address(host: str) -> None:
    assert not Address(host, 9750).is_loopback


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("127.0.0.1:9750", "http://127.0.0.1:9750"),
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("[::]:80", "http://[::1]:80"),
        ("10.0.0.7:80", "http://10.0.0.7:80"),
    ],
)
def test_the_local_url_is_one_that_can_be_asked(listen: str, url: str) -> None:
    assert load_settings({"listen": listen}, {}).listen.local_url() == url


def test_a_flag_has_dashes() -> None:
    assert flag_of("vitals_interval_seconds") == "--vitals-interval-seconds"


# ----------------------------------------------------------------------------------------------------------- the cookie


def cookie_file(name: str, secret: str, mode: int = stat.S_IRUSR) -> Path:
    file = Path(name)
    file.write_text(secret, encoding="ascii")
    file.chmod(mode)
    return file


def assert_holds(cookie: Cookie, secret: str) -> None:
    assert cookie.digest(CHALLENGE) == Cookie(secret).digest(CHALLENGE)


def test_the_cookie_file_of_the_settings_outranks_all() -> None:
    cookie_file(str(Path.home() / ".erlang.cookie"), "from-home")
    settings = Settings(cookie_file=cookie_file("cookie", "from-file"))
    assert_holds(load_cookie(settings, {"BEAMWARDEN_COOKIE": "from-variable"}), "from-file")


def test_the_variable_outranks_the_home_of_erlang() -> None:
    cookie_file(str(Path.home() / ".erlang.cookie"), "from-home")
    assert_holds(load_cookie(Settings(), {"BEAMWARDEN_COOKIE": "from-variable"}), "from-variable")


def test_the_home_of_erlang_is_the_last_resort() -> None:
    cookie_file(str(Path.home() / ".erlang.cookie"), "from-home")
    assert_holds(load_cookie(Settings(), {}), "from-home")


def test_without_any_cookie_the_place_that_was_looked_at_is_named() -> None:
    with pytest.raises(CookieError, match=r"~/\.erlang\.cookie is not there; name the file with --cookie-file"):
        load_cookie(Settings(), {})


SECRET = "XNAJQRZPWOBLMIVSECRET"


def _wrong_settings(flags: Mapping[str, object], environ: Mapping[str, str], content: str = "") -> None:
    load_settings(flags, environ, settings_file(content))


CARELESS: dict[str, Callable[[], object]] = {
    "a cookie in the settings file": lambda: _wrong_settings({}, {}, f'cookie = "{SECRET}"'),
    "a cookie in a table of the file": lambda: _wrong_settings({}, {}, f'[cookie]\nvalue = "{SECRET}"'),
    "a cookie in a broken file": lambda: _wrong_settings({}, {}, f"cookie = {SECRET}"),
    "a cookie under a name near to the right one": lambda: _wrong_settings({}, {"BEAMWARDEN_COOKY": SECRET}),
    "a cookie beside another mistake": lambda: _wrong_settings(
        {}, {"BEAMWARDEN_COOKIE": SECRET, "BEAMWARDEN_EPMD_PORT": "0"}
    ),
    "a variable with a cookie that is none": lambda: load_cookie(Settings(), {"BEAMWARDEN_COOKIE": f"{SECRET}\0"}),
    "a variable with a cookie that is too long": lambda: load_cookie(Settings(), {"BEAMWARDEN_COOKIE": SECRET * 20}),
    "a file with a cookie of two lines": lambda: load_cookie(
        Settings(cookie_file=cookie_file("cookie", f"{SECRET}\n{SECRET}")), {}
    ),
    "a file that others may read": lambda: load_cookie(
        Settings(cookie_file=cookie_file("cookie", SECRET, stat.S_IRUSR | stat.S_IROTH)), {}
    ),
}


@pytest.mark.parametrize("careless", CARELESS)
def test_no_error_shows_the_cookie(careless: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(AgentError) as caught:
        CARELESS[careless]()
    told = "".join(traceback.format_exception(caught.value))
    assert SECRET not in told + repr(caught.value) + caplog.text


def test_no_repr_shows_the_cookie() -> None:
    environ = {"BEAMWARDEN_COOKIE": SECRET, "BEAMWARDEN_NODE": "tai@127.0.0.1"}
    settings = load_settings({}, environ)
    cookie = load_cookie(settings, environ)
    assert_holds(cookie, SECRET)
    holders = [settings, cookie, Node(settings.node[0], cookie), Direct(settings.node[0], cookie, Options())]
    for holder in holders:
        assert SECRET not in repr(holder) + str(holder)


def test_settings_have_no_place_for_a_cookie() -> None:
    assert {name for name in Settings.model_fields if "cookie" in name} == {"cookie_file"}


@pytest.mark.parametrize(
    "variable",
    [
        "BEAMWARDEN_SERVICE_HOST",
        "BEAMWARDEN_SERVICE_PORT",
        "BEAMWARDEN_SERVICE_PORT_HTTP",
        "BEAMWARDEN_PORT",
        "BEAMWARDEN_PORT_9750_TCP",
        "BEAMWARDEN_PORT_9750_TCP_ADDR",
    ],
)
def test_what_kubernetes_sets_beside_a_service_of_our_name_is_no_setting(variable: str) -> None:
    assert load_settings({}, {variable: "10.0.0.7"}) == load_settings({}, {})


def test_an_empty_cookie_file_is_not_the_current_folder() -> None:
    (told,) = mistakes({}, {"BEAMWARDEN_COOKIE_FILE": ""})
    assert told.startswith("BEAMWARDEN_COOKIE_FILE (environment): it is empty; it should be the file")


@pytest.mark.parametrize("key", ["epmd_port", "vitals_interval_seconds"])
def test_true_is_no_number(key: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f"{key} = true\n")
    (told,) = mistakes({}, {}, file)
    assert told.startswith(f"{file}: {key}: neither true nor false is a number; it should be ")


def test_the_home_folder_may_be_written_as_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home-of-a-test")
    settings = load_settings({}, {"BEAMWARDEN_COOKIE_FILE": "~/.erlang.cookie"})
    assert settings.cookie_file == Path("/home-of-a-test/.erlang.cookie")


@pytest.mark.parametrize("url", ["", "foo", "ftp://a", "http://", "127.0.0.1:9750"])
def test_a_wrong_url_is_named_with_its_place(url: str) -> None:
    (told,) = mistakes({}, {"BEAMWARDEN_URL": url})
    assert told.startswith(f"BEAMWARDEN_URL (environment): {url!r} is no URL of http or https; it should be where")


def test_a_flag_that_may_be_repeated_may_have_commas_too() -> None:
    settings = load_settings({"node": ["a@h,b@h", "c@h"]}, {})
    assert [str(target) for target in settings.node] == ["a@h", "b@h", "c@h"]


def test_a_folder_that_we_may_not_look_into_has_no_file_for_us(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "stat", refuse)
    assert load_settings({}, {}).node == ()


def test_a_token_may_come_with_the_line_break_of_its_file() -> None:
    assert load_settings({}, {"BEAMWARDEN_ID_TOKEN": "ey.secret\n"}).id_token == "ey.secret"


@pytest.mark.parametrize("token", ["", " ", "ey.secret\nX-Other: 1", "ey secret", "ey.secr\u00e9t"])
def test_a_wrong_token_is_named_by_its_place_and_not_shown(token: str) -> None:
    (told,) = mistakes({}, {"BEAMWARDEN_ID_TOKEN": token})
    assert told.startswith("BEAMWARDEN_ID_TOKEN (environment): it is empty, or has what no token has")
    assert "ey" not in told


def test_settings_do_not_print_the_token() -> None:
    assert "ey.secret" not in repr(load_settings({"id_token": "ey.secret"}, {}))


OUR_TOKEN = "bw_" + "x" * 43


def test_the_token_comes_from_its_file_or_its_variable(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("bw_" + "f" * 43 + "\n")
    file.chmod(0o600)
    environ = {"BEAMWARDEN_TOKEN": f"{OUR_TOKEN}\n"}
    assert load_token(load_settings({}, environ), environ) == OUR_TOKEN
    assert load_token(load_settings({"token_file": file}, environ), environ) == "bw_" + "f" * 43


@pytest.mark.parametrize("environ", [{}, {"BEAMWARDEN_TOKEN": ""}])
def test_there_need_be_no_token(environ: dict[str, str]) -> None:
    assert load_token(load_settings({}, environ), environ) is None


def test_a_variable_without_a_token_is_named_and_not_shown() -> None:
    with pytest.raises(SettingError) as caught:
        load_token(Settings(), {"BEAMWARDEN_TOKEN": "ey.secret"})
    assert str(caught.value).startswith("BEAMWARDEN_TOKEN holds no token: it should be what 'beamwarden token create'")
    assert "ey.secret" not in str(caught.value)


def test_the_tokens_file_is_that_of_the_settings_or_beside_other_configuration() -> None:
    environ = {"XDG_CONFIG_HOME": "/etc/xdg"}
    assert tokens_file(Settings(), environ) == Path("/etc/xdg/beamwarden/tokens")
    assert tokens_file(Settings(tokens_file=Path("/tokens")), environ) == Path("/tokens")


# ------------------------------------------------------------------------------------------------------- the journal


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"HOME": "/h"}, "/h/.local/state/beamwarden/journal.db"),
        ({"HOME": "/h", "XDG_STATE_HOME": "/s"}, "/s/beamwarden/journal.db"),
        ({"XDG_STATE_HOME": "/s"}, "/s/beamwarden/journal.db"),
        ({"HOME": "/h", "XDG_STATE_HOME": ""}, "/h/.local/state/beamwarden/journal.db"),
        ({"HOME": "/h", "XDG_STATE_HOME": "s"}, "/h/.local/state/beamwarden/journal.db"),
    ],
)
def test_the_journal_is_where_the_state_of_programs_is(environ: Mapping[str, str], path: str) -> None:
    assert journal_path(Settings(), environ) == Path(path)


def test_without_a_home_the_system_s_own_is_taken() -> None:
    assert journal_path(Settings(), {}) == Path.home() / ".local/state/beamwarden/journal.db"


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}, {"HOME": "", "XDG_STATE_HOME": "s"}])
def test_a_user_without_a_home_has_no_place_for_a_journal(
    environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    assert journal_path(Settings(), environ) is None


def test_a_journal_that_is_named_needs_no_home() -> None:
    assert journal_path(load_settings({"journal": "here.db"}, {}), {}) == Path.cwd() / "here.db"
