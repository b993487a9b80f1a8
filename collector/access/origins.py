"""Where a request comes from and whom it is meant for, as far as its connection and its headers tell."""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope

# What a proxy says of whom it speaks for; any header that begins with x-forwarded counts too.
_OF_PROXIES: Final = frozenset(
    {
        "forwarded",
        "via",
        "client-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-real-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "fastly-client-ip",
        "x-envoy-external-address",
        "x-original-host",
        "x-original-forwarded-for",
    }
)
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
_NETWORK_BITS: Final = 64  # of IPv6: whoever has one address of such a network has all of them


def is_local(scope: Scope) -> bool:
    """Whether a request comes from this machine, and not through a proxy that runs here.

    Its connection decides, whatever address we listen on. Of a proxy that adds no header there is one more sign:
    nginx has long asked with HTTP/1.0 unless it was told otherwise, and hardly anybody else does.
    """
    address = _address(client_host(scope))
    return (
        address is not None
        and address.is_loopback
        and scope["http_version"] != "1.0"
        and not any(_is_of_proxy(name) for name in Headers(scope=scope))
    )


def client_host(scope: Scope) -> str:
    """Return the address at the other end of the connection; empty when it has none."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def network_of(host: str) -> str:
    """Return what an asker cannot change at will: its IPv4 address, or the network of its IPv6 address."""
    address = _address(host)
    if isinstance(address, IPv6Address):
        return str(IPv6Address(int(address) >> _NETWORK_BITS << _NETWORK_BITS))
    return host if address is None else str(address)


def asked_host(headers: Headers) -> str | None:
    """Return the name or address that was asked, without a port; None when there is not exactly one."""
    given = headers.getlist("host")
    found = _HOST.fullmatch(given[0]) if len(given) == 1 else None
    return None if found is None else found[1].lower().removesuffix(".")


def is_known_host(host: str, allowed: Collection[str]) -> bool:
    """Whether we may be asked as ``host``.

    A page can make a name of its own lead to an address of ours, and would be of the same origin then. It cannot do so
    with an address, or with localhost.
    """
    return host == "localhost" or host in allowed or _address(host.strip("[]")) is not None


def is_from_other_page(headers: Headers, scheme: str) -> bool:
    """Whether a browser says that a page of another origin makes this request. Other programs say nothing."""
    if any(site not in {"same-origin", "none"} for site in headers.getlist("sec-fetch-site")):
        return True
    host = headers.get("host", "").lower()
    # A proxy may have ended the TLS that the page came over.
    own = {f"{scheme}://{host}", f"https://{host}"}
    origins = headers.getlist("origin")
    return len(origins) > 1 or any(origin.lower() not in own for origin in origins)


def _is_of_proxy(header: str) -> bool:
    name = header.replace("_", "-")  # some write it so
    return name in _OF_PROXIES or name.startswith("x-forwarded")


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    # How a socket for both families names who comes over IPv4.
    return getattr(address, "ipv4_mapped", None) or address
