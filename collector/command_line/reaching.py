"""How the command line reaches a collector: at which address, trusting which certificate, and what it shows to come in.

Beside the collector it needs no flag for that: where the settings name the collector's own web configuration, that file
says which certificate has to answer, and the shell's token lets it in.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx

from agent.tls import load_authorities, load_own
from collector.access.private_files import read_private_file
from collector.command_line.client import Collector
from collector.load import load_login, load_token
from collector.port.web_config import WebConfig, WebConfigError, parse_web_config
from collector.port.web_tls import certificate_of
from collector.settings import Settings, SettingsError

_NO_CHECK_TIME: Final = 0x200000  # OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python does not name


def find_collector(settings: Settings, environ: Mapping[str, str], node_name: str | None = None) -> Collector:
    """Say where the collector is and how to come in: the one of the URL, else that beside us. Raises `SettingError`."""
    web = None
    if settings.url is None and settings.web_config_file is not None:
        web = _read(settings.web_config_file)
    has_tls = web is not None and web.tls_server_config is not None
    return Collector(
        settings.url or settings.listen.local_url("https" if has_tls else "http"),
        node_name,
        settings.id_token,
        token=load_token(settings, environ),
        login=load_login(settings, environ),
        trust=_trust(settings, web),
    )


def _read(path: Path) -> WebConfig:
    """Read the collector's own web configuration."""
    found = read_private_file(path, "web configuration", WebConfigError, 0o002)
    if found is None:
        raise WebConfigError(f"the web configuration {path} cannot be read: No such file or directory")
    return parse_web_config(found[1].decode("utf-8", "replace"), path)


def _trust(settings: Settings, web: WebConfig | None) -> ssl.SSLContext | None:
    """Return whose certificate is believed, with ours to show; None for the public authorities, and none of ours."""
    if web is not None and web.tls_server_config is not None:
        try:
            context = _only(certificate_of(web.tls_server_config))
        except (OSError, ValueError):
            raise SettingsError(
                f"{settings.web_config_file}: tls_server_config: its certificate cannot be read, so the collector here "
                "cannot be told from others: name it with --url, and its authority with --url-ca-file"
            ) from None
    elif settings.url_ca_file is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        load_authorities(context, settings.url_ca_file)
    elif settings.url_certificate_file is not None or settings.url_key_file is not None:
        context = httpx.create_ssl_context()
    else:
        return None
    if settings.url_certificate_file is not None:
        load_own(context, settings.url_certificate_file, settings.url_key_file)
    elif settings.url_key_file is not None:
        raise SettingsError(f"the key {settings.url_key_file} has no certificate: set url_certificate_file too")
    return context


def _only(pem: str) -> ssl.SSLContext:
    """Trust the first certificate of ``pem`` and no other, whatever it is for and until when.

    It is known from its file, and in an incident one that has expired should not keep anybody from looking. Of its
    chain nothing is trusted: an authority signs for others too.
    """
    end = "-----END CERTIFICATE-----"
    first = pem[pem.index("-----BEGIN CERTIFICATE-----") : pem.index(end) + len(end)]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=ssl.PEM_cert_to_DER_cert(first))
    context.verify_flags |= ssl.VerifyFlags(ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME)
    return context
