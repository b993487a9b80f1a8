"""TLS distribution: what is trusted, what we show, and what it means when the two sides do not agree.

A node started with ``-proto_dist inet_tls`` speaks the same protocol inside TLS. It proves who it is by a certificate
that an authority of the cluster has signed, and may want one of us (``ssl_dist_opt server_fail_if_no_peer_cert true``).

Source: https://www.erlang.org/doc/apps/ssl/ssl_distribution.html; ssl/src/inet_tls_dist.erl.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.errors import (
    CertificateRefused,
    ConnectError,
    NodeUnreachable,
    OurCertificateRefused,
    TlsMismatch,
    TlsSettingError,
)

_EXPIRED: Final = 10  # OpenSSL's X509_V_ERR_*, as in SSLCertVerificationError.verify_code
_NOT_YET_VALID: Final = 9
_UNKNOWN_ISSUER: Final = frozenset({2, 18, 19, 20, 21})  # also self-signed, alone or at the end of the chain
_OTHER_NAME: Final = frozenset({62, 64})  # host name, IP address
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"})
# Alerts about the certificate that we have shown, and what to do.
_OF_OUR_CERTIFICATE: Final = {
    "unknown ca": "it was signed by none of the authorities in the node's server_cacertfile",
    "certificate expired": "it has expired; renew it",
    "certificate revoked": "it was revoked; renew it",
    "bad certificate": "the node cannot use it; its log says more",
    "certificate unknown": "the node does not trust it; its log says more",
    "unsupported certificate": "it is for another purpose, or in a way that the node cannot use; its log says more",
}


@dataclass(frozen=True, slots=True)
class Tls:
    """How to speak TLS to a node.

    ``ca_file`` holds the authorities that may have signed the node's certificate, None when it is not verified.
    ``certificate_file`` (with its chain) and ``key_file`` are ours, for nodes that want one. The node's certificate
    must be for ``server_name``, None for the host of the node's name. ``is_verified`` False trusts whoever answers.
    """

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    server_name: str | None = None
    is_verified: bool = True

    def towards(self, host: str, where: str) -> TlsClient:
        """Read the files, for a connection to a node on ``host``. Raises `TlsSettingError`.

        They are read for each connection, since certificates are renewed while we run.
        """
        server_name = host.rstrip(".") if self.server_name is None else self.server_name
        return TlsClient(self, self.context(), server_name, where)

    def context(self) -> ssl.SSLContext:
        """Read the files. Raises `TlsSettingError`, which names the one that is wrong."""
        if self.server_name is not None and not is_server_name(self.server_name):
            raise TlsSettingError(f"{self.server_name!r} is no host name and no address: set another tls_server_name")
        # Not create_default_context: from Python 3.13 on it also refuses authorities without a key identifier, which
        # are good enough for Erlang, and many a cluster has made its own.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if not self.is_verified:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif self.ca_file is None:
            raise TlsSettingError("without a CA file the node's certificate cannot be verified: set tls_ca_file")
        if self.ca_file is not None:
            load_authorities(context, self.ca_file)
        if self.certificate_file is not None:
            load_own(context, self.certificate_file, self.key_file)
        elif self.key_file is not None:
            raise TlsSettingError(f"the key {self.key_file} has no certificate: set tls_certificate_file too")
        return context


def is_server_name(text: str) -> bool:
    """Whether TLS could look for this name in a certificate."""
    try:
        return "\0" not in text and len(text.encode("idna")) > 0
    except UnicodeError:  # an empty label, or one that is too long
        return False


def load_authorities(context: ssl.SSLContext, file: Path) -> None:
    """Have ``context`` trust what a file holds in PEM form. Raises `TlsSettingError`."""
    try:
        context.load_verify_locations(cafile=file)
    except ssl.SSLError:
        raise TlsSettingError(f"the CA file {file} holds no certificate in PEM form") from None
    except OSError as error:
        raise TlsSettingError(f"the CA file {file} cannot be read: {error.strerror}") from None


def load_own(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    """Have ``context`` show a certificate; ``key`` None: it is in the same file. Raises `TlsSettingError`."""
    for file in (certificate, key or certificate):  # load_cert_chain does not say which of the two it could not read
        try:
            file.read_bytes()
        except OSError as error:
            raise TlsSettingError(f"{file} cannot be read: {error.strerror}") from None
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise TlsSettingError(f"the key in {key or certificate} is not that of {certificate}") from None
        raise TlsSettingError(
            f"{certificate} with the key in {key or certificate} cannot be used: both must be in PEM form"
        ) from None


def _no_password() -> str:
    # Without this OpenSSL would ask on the terminal, and a service would wait there for ever.
    raise TlsSettingError("the key has a pass phrase, and there is nobody to type it: give a key file without one")


@dataclass(frozen=True, slots=True)
class TlsClient:
    """TLS towards one node. ``where`` names the node and its port in errors."""

    tls: Tls
    context: ssl.SSLContext
    server_name: str
    where: str

    def explain(self, error: OSError, *, is_open: bool = False) -> ConnectError:
        """Return what it means that TLS ended with this error; ``is_open`` once both sides have proved the cookie."""
        reason = str(getattr(error, "reason", None) or "")  # only OpenSSL's own errors have one
        alert = reason.partition("ALERT_")[2].lower().replace("_", " ")
        if is_open:
            return NodeUnreachable(f"{self.where}: TLS broke: {alert or reason or error}")
        if isinstance(error, ssl.SSLCertVerificationError):
            return CertificateRefused(f"{self.where}: its certificate {self._why_refused(error)}")
        if reason in _NO_TLS:
            return TlsMismatch(
                f"{self.where} speaks no TLS: if it was not started with -proto_dist inet_tls, leave the tls settings "
                "out"
            )
        if alert == "handshake failure" and self.tls.certificate_file is None:
            return OurCertificateRefused(
                f"{self.where} refused us ({alert}): it wants a certificate of us (set tls_certificate_file and "
                "tls_key_file), or has no cipher in common with us"
            )
        if alert == "certificate required":
            return OurCertificateRefused(
                f"{self.where} refused us ({alert}): set tls_certificate_file and tls_key_file"
            )
        if alert in _OF_OUR_CERTIFICATE:
            return OurCertificateRefused(
                f"{self.where} refused {self.tls.certificate_file} ({alert}): {_OF_OUR_CERTIFICATE[alert]}"
            )
        if alert:
            return NodeUnreachable(f"{self.where} refused TLS ({alert}): its log says more")
        if reason and reason != "UNEXPECTED_EOF_WHILE_READING":
            return NodeUnreachable(f"{self.where}: TLS failed: {reason}")
        return NodeUnreachable(
            f"{self.where} did not finish TLS: it hangs, is going down, or was not started with -proto_dist inet_tls"
        )

    def _why_refused(self, error: ssl.SSLCertVerificationError) -> str:
        if error.verify_code == _EXPIRED:
            return "has expired: renew it on the node"
        if error.verify_code == _NOT_YET_VALID:
            return "is not valid yet: compare the clocks of the two machines"
        if error.verify_code in _UNKNOWN_ISSUER:
            return f"is foreign, signed by none of the authorities in {self.tls.ca_file}"
        if error.verify_code in _OTHER_NAME:
            return (
                f"is not for {self.server_name}: if it is the right node, set tls_server_name to a name that it is for"
            )
        return f"cannot be trusted: {error.verify_message}"
