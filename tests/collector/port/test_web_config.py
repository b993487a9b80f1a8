"""What a web configuration may say, and what is told of every mistake in it. No file is read here."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.port.web_config import MAX_DEPTH, WebConfig, WebConfigError, parse_web_config

PLACE = Path("/etc/beamwarden/web.yml")
HASH = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"
OWN = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"


def parse(text: str) -> WebConfig:
    return parse_web_config(text, PLACE)


def mistakes(text: str) -> list[str]:
    with pytest.raises(WebConfigError) as caught:
        parse(text)
    return [line.removeprefix(f"{PLACE}, ") for line in str(caught.value).splitlines()]


def test_the_toolkit_s_own_example_is_taken() -> None:
    found = parse(
        f"{OWN}basic_auth_users:\n  alice: {HASH}\n  bob: {HASH.replace('$10$', '$18$')}\n"
        'rate_limit:\n  interval: "1s"\n  burst: 20\n'
    )
    assert set(found.basic_auth_users) == {"alice", "bob"}
    assert (found.rate_limit.interval, found.rate_limit.burst) == (1.0, 20)


@pytest.mark.parametrize("text", ["", "# nothing\n", "basic_auth_users:\nhttp_server_config:\n"])
def test_what_is_empty_asks_for_nothing(text: str) -> None:
    found = parse(text)
    assert (found.tls_server_config, found.basic_auth_users, found.rate_limit.interval) == (None, {}, 0.0)


def test_the_defaults_are_those_of_the_toolkit() -> None:
    tls = parse(OWN).tls_server_config
    assert tls is not None
    assert (tls.client_auth_type, tls.min_version, tls.max_version) == ("NoClientCert", "TLS12", "TLS13")
    assert tls.prefer_server_cipher_suites
    assert parse(OWN).http_server_config.http2


def test_relative_paths_begin_beside_the_file_and_others_stay() -> None:
    tls = parse("tls_server_config: {cert_file: certs/server.crt, key_file: /keys/server.key}").tls_server_config
    assert tls is not None
    assert (tls.cert_file, tls.key_file) == ("/etc/beamwarden/certs/server.crt", "/keys/server.key")
    assert tls.client_ca_file == ""


def test_headers_are_those_that_the_toolkit_allows() -> None:
    found = parse("http_server_config:\n  headers:\n    X-Frame-Options: deny\n    X-XSS-Protection: 1\n")
    assert found.http_server_config.headers == {"X-Frame-Options": "deny", "X-XSS-Protection": "1"}


@pytest.mark.parametrize(("written", "meant"), [("false", False), ("True", True), ("no", False), ("on", True)])
def test_truth_is_written_as_yaml_has_it(written: str, meant: bool) -> None:  # noqa: FBT001  # of a parameter
    assert parse(f"http_server_config: {{http2: {written}}}").http_server_config.http2 == meant


@pytest.mark.parametrize(
    ("written", "seconds"), [("0", 0.0), ("1s", 1.0), ("1m30s", 90.0), ("250ms", 0.25), ("1.5s", 1.5)]
)
def test_durations_are_written_as_go_has_them(written: str, seconds: float) -> None:
    assert parse(f"rate_limit: {{interval: {written}, burst: 1}}").rate_limit.interval == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "tls_server_config: {cert_filse: a}",
            "line 1: tls_server_config.cert_filse: there is no such key; there are cert,",
        ),
        ("tls: {}", "line 1: tls: there is no such key; there are tls_server_config, http_server_config,"),
        ("junk", "line 1: the whole: it is no table of keys"),
        ("tls_server_config: junk", "line 1: tls_server_config: it is no table of keys"),
        (
            f"{OWN}  min_version: TLS9",
            "line 4: tls_server_config.min_version: 'TLS9' is no version of TLS; it should be TLS12 or TLS13",
        ),
        (f"{OWN}  min_version: TLS10", "line 4: tls_server_config.min_version: TLS10 is not spoken here, as RFC 8996"),
        (
            f"{OWN}  max_version: TLS12\n  min_version: TLS13",
            "line 1: tls_server_config: min_version TLS13 is above max_version TLS12",
        ),
        (
            f"{OWN}  cipher_suites: [TLS_NULL]",
            "line 4: tls_server_config.cipher_suites.0: 'TLS_NULL' is no cipher suite",
        ),
        (
            f"{OWN}  cipher_suites: [TLS_AES_128_GCM_SHA256]\n  max_version: TLS12",
            "line 1: tls_server_config: cipher_suites has none for TLS 1.2",
        ),
        (
            f"{OWN}  curve_preferences: [CurveP257]",
            "line 4: tls_server_config.curve_preferences: 'CurveP257' is no curve",
        ),
        (
            f"{OWN}  curve_preferences: [X25519, CurveP256]",
            "line 4: tls_server_config.curve_preferences: Python's TLS takes one curve of NIST, or chooses among "
            "all by itself; it should be left out, or a list of one of CurveP256, CurveP384, CurveP521",
        ),
        (f"{OWN}  curve_preferences: [X25519]", "line 4: tls_server_config.curve_preferences: Python's TLS takes one"),
        (
            f"{OWN}  client_auth_type: RequireAnyClientCert",
            "line 4: tls_server_config.client_auth_type: RequireAnyClientCert lets in whoever has made a certificate "
            "of their own, and Python's TLS cannot do it; it should be NoClientCert, RequestClientCert,",
        ),
        (
            f"{OWN}  client_auth_type: RequireClientCert",
            "line 4: tls_server_config.client_auth_type: RequireClientCert l",
        ),
        (
            f"{OWN}  client_auth_type: Whoever",
            "line 4: tls_server_config.client_auth_type: Input should be 'NoClient",
        ),
        (
            f"{OWN}  client_auth_type: RequireAndVerifyClientCert",
            "line 1: tls_server_config: client_auth_type needs client_ca or client_ca_file",
        ),
        (
            f"{OWN}  client_ca_file: ca.pem",
            "line 1: tls_server_config: it has authorities of clients and no client_auth",
        ),
        (f"{OWN}  client_allowed_sans: [a]", "line 1: tls_server_config: client_allowed_sans needs client_auth_type"),
        ("tls_server_config: {min_version: TLS13}", "line 1: tls_server_config: it has neither cert nor cert_file"),
        ("tls_server_config: {cert_file: a}", "line 1: tls_server_config: it has neither key nor key_file"),
        (
            "tls_server_config: {cert: a, cert_file: a, key: a}",
            "line 1: tls_server_config: it has both cert and cert_f",
        ),
        ("http_server_config: {http2: perhaps}", "line 1: http_server_config.http2: Input should be a valid boolean"),
        (
            "http_server_config:\n  headers:\n    Content-Type: a",
            "line 2: http_server_config.headers: Content-Type cannot be set; there are Content-Security-Policy,",
        ),
        (
            "http_server_config:\n  headers:\n    X-Frame-Options: a",
            "line 2: http_server_config.headers: X-Frame-Options should be deny or sameorigin, not 'a'",
        ),
        (
            'http_server_config: {headers: {X-XSS-Protection: "1\\r\\nSet-Cookie: a"}}',
            "line 1: http_server_config.headers: X-XSS-Protection has what no header may have",
        ),
        ("basic_auth_users:\n  alice:", "line 2: basic_auth_users.alice: it is no hash of bcrypt"),
        ("basic_auth_users: {}\nbasic_auth_users: {}", "line 2: basic_auth_users: it is there twice"),
        (f'basic_auth_users:\n  "a:b": {HASH}', "line 2: basic_auth_users.a:b: a name with a colon can never be given"),
        (
            f"basic_auth_users:\n  alice: {HASH.replace('$10$', '$19$')}",
            "line 2: basic_auth_users.alice: its cost is above",
        ),
        (
            f"basic_auth_users:\n  alice: {HASH.replace('$10$', '$03$')}",
            "line 2: basic_auth_users.alice: it is no hash of",
        ),
        ("? [a]\n: b", "line 1: the whole: a key is no text"),
        ("basic_auth_users:\n  ? {a: b}\n  : c", "line 2: basic_auth_users: a key is no text"),
        ("rate_limit: {interval: 25h, burst: 1}", "line 1: rate_limit.interval: Input should be less than or equal"),
        ("rate_limit: {interval: 1s}", "line 1: rate_limit: burst should be 1 at least"),
        (
            "rate_limit: {interval: soon, burst: 1}",
            "line 1: rate_limit.interval: 'soon' is no duration; it should be a dur",
        ),
        (
            "rate_limit: {interval: 1s, burst: -1}",
            "line 1: rate_limit.burst: Input should be greater than or equal to 0",
        ),
    ],
)
def test_every_mistake_is_told_with_its_line(text: str, told: str) -> None:
    (line,) = mistakes(text)
    assert line.startswith(told)


def test_all_mistakes_are_told_at_once() -> None:
    found = mistakes(f"{OWN}  min_version: a\n  max_version: b\nbasic_auth_users:\n  alice: c\n")
    assert [line.partition(": ")[0] for line in found] == ["line 4", "line 5", "line 7"]


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\tb", "a: *b", "--- a\n--- b\n", "a: \x00"])
def test_what_is_no_yaml_is_told(text: str) -> None:
    (line,) = mistakes(text)
    assert "is no YAML" in line


@pytest.mark.parametrize(
    "text", ["[" * 5000, "a: &a [*a]", "{" * (MAX_DEPTH + 1)], ids=["deep", "knot", "just too deep"]
)
def test_what_would_take_a_stack_without_end_is_refused(text: str) -> None:
    (line,) = mistakes(text)
    assert "it is too deep" in line or "aliases are not taken here" in line


KEYS = [
    *("tls_server_config", "cert_file", "min_version", "cipher_suites", "client_allowed_sans", "http_server_config"),
    *(
        "headers",
        "http2",
        "basic_auth_users",
        "rate_limit",
        "interval",
        "burst",
        "X-Frame-Options",
        "TLS12",
        HASH,
        "1s",
    ),
]
TEXTS = st.sampled_from(KEYS) | st.text(max_size=8)
CONTENTS = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(CONTENTS)
def test_whatever_a_file_holds_is_taken_or_refused(content: object) -> None:
    with contextlib.suppress(WebConfigError):
        parse(yaml.safe_dump(content))


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="{}[]:-,&*!|>'\"%@`?# \n\tab", max_size=40))
def test_whatever_yaml_can_be_is_taken_or_refused(text: str) -> None:
    with contextlib.suppress(WebConfigError):
        parse(text)


@pytest.mark.parametrize("secret", ["hunter2", "$2y$10$half"])
def test_a_password_in_place_of_a_hash_is_not_shown(secret: str) -> None:
    (line,) = mistakes(f"basic_auth_users:\n  alice: {secret}\n")
    assert secret not in line


def test_a_key_is_in_no_text_of_it() -> None:
    found = parse(f"tls_server_config: {{cert_file: a, key: secret}}\nbasic_auth_users: {{alice: {HASH}}}\n")
    assert "secret" not in repr(found)
    assert HASH not in repr(found)
