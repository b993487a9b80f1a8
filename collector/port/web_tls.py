"""TLS on the HTTP port, made of a web configuration; and which clients it lets in."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from agent.errors import TlsSettingError
from agent.tls import load_authorities, load_own
from collector.port.web_config import CURVES, TlsServerConfig, WebConfigError

_NAMES: Final = frozenset({"DNS", "email", "IP Address", "URI"})
_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}


def server_context(tls: TlsServerConfig, place: Path) -> ssl.SSLContext:
    """Read the certificates that the configuration at ``place`` names. Raises `WebConfigError`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS["TLS13" if tls.cipher_suites and not tls.openssl_ciphers else tls.min_version]
    context.maximum_version = _VERSIONS[tls.max_version]
    context.set_alpn_protocols(["http/1.1"])
    if tls.openssl_ciphers:
        context.set_ciphers(":".join(tls.openssl_ciphers))
    if not tls.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    for curve in tls.curve_preferences:
        context.set_ecdh_curve(CURVES[curve])
    try:
        _show(context, tls)
        _ask_clients(context, tls)
    except TlsSettingError as error:
        raise WebConfigError(f"{place}: tls_server_config: {error}") from None
    return context


def certificate_of(tls: TlsServerConfig) -> str:
    """Return the certificate, with its chain, in PEM form. Raises OSError and UnicodeError."""
    return Path(tls.cert_file).read_text("ascii") if tls.cert_file else tls.cert


def is_allowed(certificate: Mapping[str, Any] | None, allowed_sans: Sequence[str]) -> bool:
    """Whether a client's verified certificate (as `ssl.SSLSocket.getpeercert` gives it) is for one of these names.

    Without a list everybody is allowed. With one, a client without a certificate is not, as in the exporter toolkit.
    """
    if not allowed_sans:
        return True
    names: Sequence[tuple[str, str]] = (certificate or {}).get("subjectAltName", ())
    return any(_written_as_go_does(kind, name) in allowed_sans for kind, name in names if kind in _NAMES)


def _written_as_go_does(kind: str, name: str) -> str:
    return str(ip_address(name.strip())) if kind == "IP Address" else name


def _show(context: ssl.SSLContext, tls: TlsServerConfig) -> None:
    # OpenSSL's Python takes these from files only, so what stands in the configuration is one for a moment.
    with tempfile.TemporaryDirectory(prefix="beamwarden-") as folder:
        certificate, key = Path(tls.cert_file), Path(tls.key_file)
        if tls.cert:
            certificate = Path(folder, "cert")
            certificate.write_text(tls.cert)
        if tls.key:
            key = Path(folder, "key")
            key.write_text(tls.key)
        try:
            load_own(context, certificate, key)
        except TlsSettingError as error:
            raise TlsSettingError(str(error).replace(f"{folder}/", "the line ")) from None


def _ask_clients(context: ssl.SSLContext, tls: TlsServerConfig) -> None:
    if tls.client_auth_type in {"NoClientCert", "RequestClientCert"}:  # of the second one nothing would come either
        return
    is_needed = tls.client_auth_type == "RequireAndVerifyClientCert"
    context.verify_mode = ssl.CERT_REQUIRED if is_needed else ssl.CERT_OPTIONAL
    if tls.client_ca_file:
        load_authorities(context, Path(tls.client_ca_file))
    elif tls.client_ca:
        try:
            context.load_verify_locations(cadata=tls.client_ca)
        except (ssl.SSLError, ValueError):
            raise TlsSettingError("client_ca holds no certificate in PEM form") from None
    else:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)  # as Go does; who shows none is let in anyway
