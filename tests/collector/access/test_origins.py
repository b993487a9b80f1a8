from __future__ import annotations

import pytest
from starlette.datastructures import Headers
from starlette.types import Scope

from collector.access.origins import asked_host, client_host, is_from_other_page, is_known_host, is_local, network_of


def scope(client: str | None, *headers: tuple[str, str], version: str = "1.1") -> Scope:
    raw = [(name.encode("latin-1").lower(), value.encode("latin-1")) for name, value in headers]
    return {
        "type": "http",
        "http_version": version,
        "client": None if client is None else (client, 50_000),
        "headers": raw,
    }


# -------------------------------------------------------------------------------------------------------- this machine


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1"])
def test_a_loopback_address_is_this_machine(address: str) -> None:
    assert is_local(scope(address))


@pytest.mark.parametrize(
    "address",
    ["192.0.2.7", "10.0.0.1", "::", "fd00::2", "fe80::1%eth0", "::ffff:192.0.2.7", "::127.0.0.1", "", "x"],
)
def test_any_other_address_is_not(address: str) -> None:
    assert not is_local(scope(address))


def test_a_connection_without_an_address_is_not() -> None:
    assert not is_local(scope(None))


@pytest.mark.parametrize(
    "header",
    [
        ("Forwarded", "for=127.0.0.1"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-FORWARDED-FOR", "127.0.0.1"),
        ("X_Forwarded_For", "127.0.0.1"),
        ("x-forwarded-for", ""),
        ("X-Forwarded-Host", "localhost"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded", "yes"),
        ("X-Real-IP", "127.0.0.1"),
        ("X-Client-IP", "127.0.0.1"),
        ("True-Client-IP", "127.0.0.1"),
        ("CF-Connecting-IP", "127.0.0.1"),
        ("Via", "1.1 proxy"),
    ],
)
def test_what_comes_through_a_proxy_is_not_from_this_machine(header: tuple[str, str]) -> None:
    assert not is_local(scope("127.0.0.1", ("Accept", "*/*"), header))


def test_http_1_0_is_how_a_proxy_asks_that_says_nothing() -> None:
    assert not is_local(scope("127.0.0.1", version="1.0"))


@pytest.mark.parametrize("header", ["Viable", "X-Forward", "Forwarded-By-Nobody", "User-Agent", "Origin"])
def test_other_headers_are_no_sign_of_a_proxy(header: str) -> None:
    assert is_local(scope("127.0.0.1", (header, "x")))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("", ""),
        ("x", "x"),
    ],
)
def test_who_has_a_network_is_one_asker(address: str, network: str) -> None:
    assert network_of(client_host(scope(address))) == network


# -------------------------------------------------------------------------------------------------------- who is meant


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("127.0.0.1:9750", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]:9750", "[::1]"),
        ("LocalHost:80", "localhost"),
        ("localhost.", "localhost"),
        ("Collector.Example", "collector.example"),
        ("", None),
        (":9750", None),
        ("a b", None),
        ("a?", None),
        ("a/b?", None),
        ("a#", None),
        ("user@127.0.0.1", None),
        ("127.0.0.1:x", None),
        ("127.0.0.1:123456", None),
        ("[::1", None),
        ("::1", None),
        ("127.0.0.1, evil.example", None),
        ("m\xfcller.example", None),
    ],
)
def test_the_host_that_is_asked_is_read(header: str, host: str | None) -> None:
    assert asked_host(Headers({"host": header})) == host


def test_no_host_and_two_hosts_are_none() -> None:
    assert asked_host(Headers({})) is None
    assert asked_host(Headers(raw=[(b"host", b"127.0.0.1"), (b"host", b"evil.example")])) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.7", "[::1]", "[fd00::2]", "localhost", "collector.example"])
def test_addresses_and_names_of_ours_are_known(host: str) -> None:
    assert is_known_host(host, {"collector.example"})


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.localhost",
        "x.collector.example",
        "2130706433",
        "0x7f.1",
        "127.1",
        "[evil]",
    ],
)
def test_any_other_name_is_not(host: str) -> None:
    assert not is_known_host(host, {"collector.example"})


# --------------------------------------------------------------------------------------------------- pages of elsewhere


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "127.0.0.1:9750"},
        {"host": "127.0.0.1:9750", "origin": "http://127.0.0.1:9750"},
        {"host": "Collector.example", "origin": "https://collector.Example"},
        {"host": "127.0.0.1:9750", "origin": "http://127.0.0.1:9750", "sec-fetch-site": "same-origin"},
        {"host": "127.0.0.1:9750", "sec-fetch-site": "none"},
    ],
)
def test_our_own_pages_and_other_programs_may_act(headers: dict[str, str]) -> None:
    assert not is_from_other_page(Headers(headers), "http")


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "127.0.0.1:9750", "origin": "null"},
        {"host": "127.0.0.1:9750", "origin": ""},
        {"host": "127.0.0.1:9750", "origin": "http://127.0.0.1"},
        {"host": "127.0.0.1:9750", "origin": "http://127.0.0.1:9751"},
        {"host": "127.0.0.1:9750", "origin": "http://localhost:9750"},
        {"host": "127.0.0.1:9750", "origin": "https://evil.example"},
        {"host": "127.0.0.1:9750", "origin": "http://127.0.0.1:9750.evil.example"},
        {"host": "127.0.0.1:9750", "origin": "file://127.0.0.1:9750"},
        {"origin": "http://127.0.0.1:9750"},
        {"host": "127.0.0.1:9750", "sec-fetch-site": "cross-site"},
        {"host": "127.0.0.1:9750", "sec-fetch-site": "same-site"},
        {"host": "127.0.0.1:9750", "origin": "http://127.0.0.1:9750", "sec-fetch-site": "cross-site"},
    ],
)
def test_pages_of_elsewhere_may_not(headers: dict[str, str]) -> None:
    assert is_from_other_page(Headers(headers), "http")


def test_two_origins_are_one_too_many() -> None:
    raw = [(b"host", b"127.0.0.1"), (b"origin", b"http://127.0.0.1"), (b"origin", b"http://127.0.0.1")]
    assert is_from_other_page(Headers(raw=raw), "http")


def test_a_page_without_tls_may_not_ask_us_behind_it() -> None:
    assert is_from_other_page(Headers({"host": "a.example", "origin": "http://a.example"}), "https")
