"""Authorities and certificates for nodes with TLS distribution, made anew in a folder of the test."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

LONG_AGO = datetime.now(UTC) - timedelta(days=1)
SOME_DAY = datetime.now(UTC) + timedelta(days=1)


@dataclass(frozen=True)
class Certificate:
    """A certificate with its chain, and its key."""

    file: Path
    key_file: Path


class Authority:
    """An authority and what it signs."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._authority = trustme.CA(organization_name=name)
        self.file = folder / f"{name}.pem"
        self._authority.cert_pem.write_to_path(str(self.file))

    def certificate(
        self, *names: str, not_before: datetime | None = None, not_after: datetime | None = None
    ) -> Certificate:
        """Sign a certificate for these names."""
        signed = self._authority.issue_cert(*names, not_before=not_before, not_after=not_after)
        stem = f"{self._name}-{signed.private_key_pem.bytes()[60:70].hex()}"
        found = Certificate(self._folder / f"{stem}-cert.pem", self._folder / f"{stem}-key.pem")
        found.file.write_bytes(b"".join(blob.bytes() for blob in signed.cert_chain_pems))
        signed.private_key_pem.write_to_path(str(found.key_file))
        return found


def node_arguments(own: Certificate, clients_of: Authority | None = None, version: str = "tlsv1.2") -> list[str]:
    """The arguments of ``erl`` for TLS distribution; with ``clients_of``, clients must show a certificate of it."""
    options = [f'{{certfile,"{own.file}"}}', f'{{keyfile,"{own.key_file}"}}', f"{{versions,['{version}']}}"]
    if clients_of is not None:
        options += [f'{{cacertfile,"{clients_of.file}"}}', "{verify,verify_peer}", "{fail_if_no_peer_cert,true}"]
    file = own.file.with_suffix(f".{version}.{clients_of is not None}.conf")
    file.write_text(f"[{{server,[{','.join(options)}]}}].\n")
    return ["-proto_dist", "inet_tls", "-ssl_dist_optfile", str(file)]
