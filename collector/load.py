"""Where settings come from: the command line, the environment and a file, in this order of precedence.

Whatever is wrong is told all at once, each mistake with the place where it stands and what it should be. pydantic
checks the values; where each came from is kept here, because an error that cannot say whether a flag, a variable or a
file is wrong helps nobody.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError

from agent.cookie import parse_cookie, read_cookie_file, read_default_cookie_file
from agent.errors import CookieError
from agent.handshake import Cookie
from agent.limits import Limits
from agent.session import Options
from collector.access.private_files import read_private_file
from collector.access.shell_token import read_shell_token
from collector.access.tokens import default_tokens_file, parse_token, read_token_file
from collector.settings import Settings, SettingsError

PREFIX: Final = "BEAMWARDEN_"
COOKIE_VARIABLE: Final = "BEAMWARDEN_COOKIE"
LOGIN_VARIABLE: Final = "BEAMWARDEN_BASIC_AUTH"
TOKEN_VARIABLE: Final = "BEAMWARDEN_TOKEN"  # noqa: S105  # its name
CONFIG_VARIABLE: Final = "BEAMWARDEN_CONFIG"
ERLANG_EPMD_PORT: Final = "ERL_EPMD_PORT"  # where OTP's own programs look for epmd's port
DEFAULT_FILE: Final = Path("beamwarden.toml")
TABLES: Final = ("tls", "diagnosis")  # [tls] ca_file in the file is tls_ca_file elsewhere

_Value = TypeVar("_Value")

_ELSEWHERE: Final = frozenset(
    {COOKIE_VARIABLE, TOKEN_VARIABLE, LOGIN_VARIABLE, CONFIG_VARIABLE}
)  # variables of ours that are no settings
_SECRETS: Final = frozenset({"cookie", "token", "basic_auth"})  # which have a file, or a variable
# Kubernetes sets these in every pod beside a Service named beamwarden.
_OF_KUBERNETES: Final = re.compile(r"BEAMWARDEN_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_[A-Z]+(_(PROTO|PORT|ADDR))?)?)")


def load_settings(flags: Mapping[str, object], environ: Mapping[str, str], file: Path | None = None) -> Settings:
    """Put the settings together. ``flags`` are those of the command line that were given.

    ``file`` must exist; without one (nor BEAMWARDEN_CONFIG), ``beamwarden.toml`` in the current folder is read if it is
    there. Raises `SettingsError`.
    """
    mistakes: list[str] = []
    wrong: list[str] = []
    values, places = _gather(flags, environ, file, mistakes)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        mistakes += [_explain(found["loc"], found["msg"], places) for found in error.errors()]
        wrong = [str(found["loc"][0]) for found in error.errors()]
    else:
        if not mistakes:
            return settings
    raise SettingsError("\n".join(mistakes), wrong)


def glance(
    name: str, flags: Mapping[str, object], environ: Mapping[str, str], file: Path | None, default: _Value
) -> _Value:
    """Return one setting of the kind of ``default``, whatever is wrong with the others; when it is too, ``default``."""
    values, _places = _gather({one: value for one, value in flags.items() if one == name}, environ, file, [])
    try:
        found = getattr(Settings.model_validate({one: value for one, value in values.items() if one == name}), name)
    except ValidationError:
        return default
    assert isinstance(found, type(default))
    return found


def _gather(
    flags: Mapping[str, object], environ: Mapping[str, str], file: Path | None, mistakes: list[str]
) -> tuple[dict[str, object], dict[str, str]]:
    """Return the value of each setting, and where it stands."""
    values: dict[str, object] = {}
    places: dict[str, str] = {}
    of_erlang = _from_erlang(environ)
    of_ours = (*_from_file(file, environ, mistakes), *_from_environment(environ, mistakes))
    for place, name, value in (*of_erlang, *of_ours):
        values[name], places[name] = value, place
    for name, value in flags.items():
        values[name], places[name] = value, flag_of(name)
    return values, places


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


def load_token(settings: Settings, environ: Mapping[str, str]) -> str | None:
    """Find our token for a collector: of the settings, of BEAMWARDEN_TOKEN, or the shell's. Raises `TokensError`."""
    if settings.token_file is not None:
        return read_token_file(settings.token_file)
    if environ.get(TOKEN_VARIABLE):  # one that is empty is one that a deployment could not fill
        return parse_token(environ[TOKEN_VARIABLE], TOKEN_VARIABLE)
    # That of the collector on this machine is not for another one.
    return read_shell_token(settings.shell_token_file) if settings.url is None else None


def load_login(settings: Settings, environ: Mapping[str, str]) -> str | None:
    """Find our user:password for a collector: the file of the settings, or BEAMWARDEN_BASIC_AUTH.

    Raises `SettingsError`, which never shows what stands there.
    """
    login, place = environ.get(LOGIN_VARIABLE, ""), LOGIN_VARIABLE
    if settings.basic_auth_file is not None:
        place = f"the file {settings.basic_auth_file}"
        found = read_private_file(settings.basic_auth_file, "file", SettingsError, 0o077)
        if found is None:
            raise SettingsError(f"{place} cannot be read: No such file or directory")
        try:
            login = found[1].decode()
        except UnicodeDecodeError:
            raise SettingsError(f"{place} is no UTF-8") from None
    elif not login:  # a variable that is empty is one that a deployment could not fill
        return None
    login = login.rstrip("\r\n")
    if not re.fullmatch(r"[^:\x00-\x1f]+:[^\x00-\x1f]+", login):
        raise SettingsError(f"{place} should hold user:password, in one line")
    return login


def tokens_file(settings: Settings, environ: Mapping[str, str]) -> Path | None:
    """Return where the collector's file of tokens is, or would be. None: nowhere, for a user without a home."""
    return settings.tokens_file or default_tokens_file(environ)


def journal_path(settings: Settings, environ: Mapping[str, str]) -> Path | None:
    """Find the journal's place: the setting, or where a user's programs keep such things. None when there is no place.

    https://specifications.freedesktop.org/basedir-spec/latest/ (which has relative paths ignored)
    """
    if settings.journal is not None:
        return settings.journal.absolute()
    state, home = Path(environ.get("XDG_STATE_HOME", "")), Path(environ.get("HOME", ""))
    if not home.is_absolute():
        try:
            home = Path.home()
        except RuntimeError:  # a user that the system does not know, as containers may have
            home = Path()
    folder = state if state.is_absolute() else home / ".local/state"
    return folder / "beamwarden/journal.db" if folder.is_absolute() else None


def load_options(settings: Settings) -> Options:
    """Return how to connect. Reads the certificates once, so that a wrong one is told now. Raises `SettingError`."""
    if settings.tls is not None:
        settings.tls.context()
    return Options(
        own_name=settings.own_name,
        epmd_port=settings.epmd_port,
        tls=settings.tls,
        limits=Limits(settings.answer_memory_bytes),
    )


def flag_of(name: str) -> str:
    """Return the command line's name of a setting."""
    return "--" + name.replace("_", "-")


def variable_of(name: str) -> str:
    """Return the variable that holds a setting."""
    return PREFIX + name.upper()


def describe(name: str) -> str:
    """Return what the value of a setting should be."""
    return Settings.model_fields[name].description or ""


def _from_erlang(environ: Mapping[str, str]) -> list[tuple[str, str, object]]:
    port = environ.get(ERLANG_EPMD_PORT, "")
    if not port or port.startswith("tcp://"):  # empty, or what Kubernetes sets beside a Service named erl-epmd
        return []
    return [(f"{ERLANG_EPMD_PORT} (environment)", "epmd_port", port)]


def _from_environment(environ: Mapping[str, str], mistakes: list[str]) -> list[tuple[str, str, object]]:
    found: list[tuple[str, str, object]] = []
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable in _ELSEWHERE or _OF_KUBERNETES.fullmatch(variable):
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name in Settings.model_fields and variable == variable.upper():
            found.append((f"{variable} (environment)", name, value))
        else:
            mistakes.append(f"{variable} (environment): there is no such setting{_nearest(name, variable_of)}")
    return found


def _from_file(file: Path | None, environ: Mapping[str, str], mistakes: list[str]) -> list[tuple[str, str, object]]:
    if file is None and environ.get(CONFIG_VARIABLE):
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
    found = [each for name in TABLES for each in _from_table(path, name, content.pop(name, {}), mistakes)]
    for name, value in content.items():
        if name in Settings.model_fields:
            found.append((f"{path}: {name}", name, value))
        elif name in _SECRETS:
            mistakes.append(f"{path}: {name}: a secret does not belong here; put it in a file and set {name}_file")
        else:
            mistakes.append(f"{path}: {name}: there is no such setting{_nearest(name)}")
    return found


def _from_table(path: Path, name: str, table: object, mistakes: list[str]) -> list[tuple[str, str, object]]:
    """Read [tls], where the settings that begin with tls_ stand without that; or another table."""
    if not isinstance(table, dict):
        mistakes.append(f"{path}: {name}: is no table; it should be a line [{name}] with its settings below")
        return []
    inner = {one.removeprefix(f"{name}_"): one for one in Settings.model_fields if one.startswith(f"{name}_")}
    found: list[tuple[str, str, object]] = []
    for one, value in table.items():
        if one in inner:
            found.append((f"{path}: [{name}] {one}", inner[one], value))
        else:
            mistakes.append(f"{path}: [{name}] {one}: there is no such setting; there are {', '.join(inner)}")
    return found


def _nearest(name: str, spell: Callable[[str], str] = str) -> str:
    near = difflib.get_close_matches(name, Settings.model_fields, n=1)
    return (
        f"; did you mean {spell(near[0])}?" if near else f"; there are {', '.join(map(spell, Settings.model_fields))}"
    )


def _explain(location: tuple[int | str, ...], message: str, places: Mapping[str, str]) -> str:
    name = str(location[0])
    return f"{places.get(name, name)}: {message.removeprefix('Value error, ')}; it should be {describe(name)}"
