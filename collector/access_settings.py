"""Settings of who may ask the collector, and by what the command line is let in."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from collector.setting_kinds import File, Names, to_url


def _to_token(value: str) -> str:
    # Never with the value: it is a secret, and what a header may not hold would be told by whoever sends it.
    token = value.strip()  # files and variables often end with a line break
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise ValueError("it is empty, or has what no token has: spaces, line breaks or other letters")
    return token


def _to_host_names(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
            raise ValueError(f"{name!r} is no name of a host, which has no port and no scheme")
    return tuple(name.lower().removesuffix(".") for name in names)


class AccessSettings(BaseModel):
    """What is set of who may ask."""

    url: Annotated[str, AfterValidator(to_url)] | None = Field(
        default=None,
        description="where the command line finds the collector (default: where it listens, http://127.0.0.1:9750)",
    )
    id_token: Annotated[str, AfterValidator(_to_token)] | None = Field(
        default=None,
        repr=False,
        description="a token for the front that stands before the collector, sent as X-Serverless-Authorization",
    )
    token_file: File | None = Field(
        default=None, description="the file that holds your token for the collector (default: BEAMWARDEN_TOKEN)"
    )
    tokens_file: File | None = Field(
        default=None,
        description="the file of those who may ask the collector from elsewhere, and act (default: beamwarden/tokens "
        "under $XDG_CONFIG_HOME or ~/.config)",
    )
    shell_token_file: File | None = Field(
        default=None,
        description="a file that the collector writes a token into, made anew at each start, by which whoever may read "
        "the file acts from this machine (default: none; the image has one)",
    )
    allowed_hosts: Annotated[Names, AfterValidator(_to_host_names)] = Field(
        default=(), description="names by which the collector may be asked, beside localhost and any address"
    )
    insecure_no_auth: bool = Field(
        default=False,
        description="true to let everybody who reaches the collector read, without a token, else false",
    )
