"""Settings, from the command line, the environment and a file, in this order of precedence.

Built by `load_settings` from what it is given, never at import. Whatever is wrong is told all at once, each mistake
with the place where it stands and what it should be.

pydantic checks the values; where each came from is kept here, because an error that cannot say whether a flag, a
variable or a file is wrong helps nobody.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo

from agent.cookie import parse_cookie, read_cookie_file, read_default_cookie_file
from agent.errors import CookieError, NodeNameError, SettingError
from agent.handshake import Cookie
from agent.names import NodeName, Target, parse_own_name

PREFIX: Final = "BEAMWARDEN_"
COOKIE_VARIABLE: Final = "BEAMWARDEN_COOKIE"
CONFIG_VARIABLE: Final = "BEAMWARDEN_CONFIG"
DEFAULT_FILE: Final = Path("beamwarden.toml")
DEFAULT_PORT: Final = 9750

_ELSEWHERE: Final = frozenset({COOKIE_VARIABLE, CONFIG_VARIABLE})  # variables of ours that are no settings
# Kubernetes sets these in every pod beside a Service named beamwarden.
_OF_KUBERNETES: Final = re.compile(r"BEAMWARDEN_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_[A-Z]+(_(PROTO|PORT|ADDR))?)?)")


class SettingsError(SettingError):
    """One or more settings are wrong; the message has a line for each."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine (in this container instance) can connect."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:  # a name, and one that begins with 127. may lead anywhere
            return self.host == "localhost"

    @property
    def local_url(self) -> str:
        """Where a program on this machine finds whoever listens here."""
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared, not bound
        return f"http://{Address(everywhere.get(self.host, self.host), self.port)}"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _to_list(value: object) -> object:
    if not isinstance(value, str | list | tuple):
        raise ValueError("neither a text nor a list")  # noqa: TRY004  # pydantic wants a ValueError
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return [part for item in value for part in (map(str.strip, item.split(",")) if isinstance(item, str) else [item])]


def _not_empty(value: object) -> object:
    if value == "":  # of an unset variable, say; as a path it would be the current folder
        raise ValueError("it is empty")
    return value


def _to_url(value: str) -> str:
    if not re.fullmatch(r"https?://[^/\s]+(/\S*)?", value):
        raise ValueError(f"{value!r} is no URL of http or https")
    return value


def _no_truth(value: object) -> object:
    if isinstance(value, bool):  # Python takes true for 1, as a file may have it
        raise ValueError("neither true nor false is a number")  # noqa: TRY004
    return value


def _to_target(value: object) -> Target:
    if not isinstance(value, str):
        raise ValueError("not a text")  # noqa: TRY004
    try:
        return Target.parse(value)
    except NodeNameError as error:
        raise ValueError(str(error)) from None


def _to_address(value: object) -> Address:
    if isinstance(value, Address):
        return value
    if not isinstance(value, str):
        raise ValueError("not a text")  # noqa: TRY004
    host, _, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ValueError(f"{value!r} is no address with a port")
    return Address(host, int(port))


def _to_own_name(value: str, info: ValidationInfo) -> str:
    try:
        NodeName.parse(value if "@" in value else f"{value}@localhost")
        for target in info.data.get("node", ()):
            parse_own_name(value, target.node)
    except NodeNameError as error:
        raise ValueError(str(error)) from None
    return value


def _all_different(targets: tuple[Target, ...]) -> tuple[Target, ...]:
    names = [str(target.node) for target in targets]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{', '.join(twice)} is given twice")
    return targets


class Settings(BaseModel):
    """All settings. A field's description says what its value should be, in errors and in the help."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    node: Annotated[
        tuple[Annotated[Target, BeforeValidator(_to_target)], ...],
        BeforeValidator(_to_list),
        AfterValidator(_all_different),
    ] = Field(default=(), description="a node to watch: name@host, or name@host:port when no epmd runs there")
    cookie_file: Annotated[Path, BeforeValidator(_not_empty), AfterValidator(Path.expanduser)] | None = Field(
        default=None, description="the file that holds the cluster's cookie (default: ~/.erlang.cookie)"
    )
    own_name: Annotated[str, AfterValidator(_to_own_name)] | None = Field(
        default=None, description="a fixed name for us, name or name@host (default: each node gives us one)"
    )
    epmd_port: Annotated[int, BeforeValidator(_no_truth)] = Field(
        default=4369, ge=1, le=65_535, description="the port of epmd on the nodes' hosts, 1 to 65535"
    )
    listen: Annotated[Address, BeforeValidator(_to_address)] = Field(
        default=Address("127.0.0.1", DEFAULT_PORT), description="address:port to serve on"
    )
    url: Annotated[str, AfterValidator(_to_url)] | None = Field(
        default=None,
        description="where the command line finds the collector (default: where it listens, http://127.0.0.1:9750)",
    )
    insecure_no_auth: bool = Field(
        default=False, description="true to serve the API to everybody when listening beyond this machine, else false"
    )
    expected_supervisors: Annotated[tuple[str, ...], BeforeValidator(_to_list)] = Field(
        default=(), description="registered names of supervisors that must run for /health to be ok"
    )
    vitals_interval_seconds: Annotated[float, BeforeValidator(_no_truth)] = Field(
        default=60.0, ge=1.0, le=86_400.0, description="seconds between two log lines of vital signs, 1 to 86400"
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="json, text, or auto: text on a terminal, json elsewhere"
    )


def load_settings(flags: Mapping[str, object], environ: Mapping[str, str], file: Path | None = None) -> Settings:
    """Put the settings together. ``flags`` are those of the command line that were given.

    ``file`` must exist; without one (nor BEAMWARDEN_CONFIG), ``beamwarden.toml`` in the current folder is read if it is
    there. Raises `SettingsError`.
    """
    mistakes: list[str] = []
    values: dict[str, object] = {}
    places: dict[str, str] = {}
    for place, name, value in (*_from_file(file, environ, mistakes), *_from_environment(environ, mistakes)):
        values[name], places[name] = value, place
    for name, value in flags.items():
        values[name], places[name] = value, flag_of(name)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        mistakes += [_explain(found["loc"], found["msg"], places) for found in error.errors()]
    else:
        if not mistakes:
            return settings
    raise SettingsError("\n".join(mistakes))


def load_cookie(settings: Settings, environ: Mapping[str, str]) -> Cookie:
    """Find the cookie: the file of the settings, BEAMWARDEN_COOKIE, or Erlang's own file. Raises `CookieError`."""
    if settings.cookie_file is not None:
        return read_cookie_file(settings.cookie_file)
    if COOKIE_VARIABLE in environ:
        return parse_cookie(environ[COOKIE_VARIABLE], COOKIE_VARIABLE)
    try:
        return read_default_cookie_file()
    except CookieError as error:
        raise CookieError(f"{error}; name the file with --cookie-file or BEAMWARDEN_COOKIE_FILE") from None


def flag_of(name: str) -> str:
    """Return the command line's name of a setting."""
    return "--" + name.replace("_", "-")


def describe(name: str) -> str:
    """Return what the value of a setting should be."""
    return Settings.model_fields[name].description or ""


def _from_environment(environ: Mapping[str, str], mistakes: list[str]) -> list[tuple[str, str, object]]:
    found: list[tuple[str, str, object]] = []
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable in _ELSEWHERE or _OF_KUBERNETES.fullmatch(variable):
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name in Settings.model_fields and variable == variable.upper():
            found.append((f"{variable} (environment)", name, value))
        else:
            mistakes.append(f"{variable} (environment): there is no such setting{_nearest(name, _variable_of)}")
    return found


def _from_file(file: Path | None, environ: Mapping[str, str], mistakes: list[str]) -> list[tuple[str, str, object]]:
    if file is None and CONFIG_VARIABLE in environ:
        file = Path(environ[CONFIG_VARIABLE])
    if file is None and not os.path.exists(DEFAULT_FILE):  # noqa: PTH110  # Path's raises where we may not look
        return []
    path = file or DEFAULT_FILE
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        mistakes.append(f"{path}: cannot be read: {error.strerror}")
        return []
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        mistakes.append(f"{path}: is no TOML: {error}")
        return []
    found: list[tuple[str, str, object]] = []
    for name, value in content.items():
        if name in Settings.model_fields:
            found.append((f"{path}: {name}", name, value))
        elif name == "cookie":
            mistakes.append(f"{path}: cookie: a secret does not belong here; put it in a file and set cookie_file")
        else:
            mistakes.append(f"{path}: {name}: there is no such setting{_nearest(name)}")
    return found


def _variable_of(name: str) -> str:
    return PREFIX + name.upper()


def _nearest(name: str, spell: Callable[[str], str] = str) -> str:
    near = difflib.get_close_matches(name, Settings.model_fields, n=1)
    return (
        f"; did you mean {spell(near[0])}?" if near else f"; there are {', '.join(map(spell, Settings.model_fields))}"
    )


def _explain(location: tuple[int | str, ...], message: str, places: Mapping[str, str]) -> str:
    name = str(location[0])
    return f"{places.get(name, name)}: {message.removeprefix('Value error, ')}; it should be {describe(name)}"
