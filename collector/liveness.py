"""Ask this machine's collector for /livez, and end with 0 or 1: the image's health check.

It runs every half minute for as long as the instance lives, so it imports nothing that it does not need, and reads no
setting but the variable BEAMWARDEN_LISTEN. A port that speaks TLS says so to whoever asks it without, and is alive
then: it is the same event loop that would answer /livez, and there is no certificate here that it may want of us.
"""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Mapping
from typing import Final

ANSWER_SECONDS: Final = 3.0
MAX_BODY_BYTES: Final = 4096
TLS_NEEDED: Final = b"urn:beamwarden:tls-needed"
_DEFAULT: Final = "127.0.0.1:9750"
_EVERYWHERE: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared, not bound


def why_not_alive(environ: Mapping[str, str]) -> str | None:
    """Return why /livez does not answer with 200; None when it does. Waits three seconds at the most, each way."""
    host, _, port = environ.get("BEAMWARDEN_LISTEN", _DEFAULT).rpartition(":")
    host = host.strip("[]")
    connection = http.client.HTTPConnection(_EVERYWHERE.get(host, host), int(port), timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/livez")
        answer = connection.getresponse()
        status, body = answer.status, answer.read(MAX_BODY_BYTES)
    except (OSError, http.client.HTTPException) as error:
        return f"/livez does not answer: {error}"
    finally:
        connection.close()
    is_tls_port = status == http.client.BAD_REQUEST and TLS_NEEDED in body
    return None if status == http.client.OK or is_tls_port else f"/livez answers {status}"


def main() -> None:
    """End with 1, and the reason, when the collector is not alive."""
    if (why := why_not_alive(os.environ)) is not None:
        sys.exit(why)


if __name__ == "__main__":
    main()
