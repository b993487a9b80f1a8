"""How settings are told to people, in the help and in docs/settings.md: their groups, defaults and kinds of values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, get_args, get_origin

from collector.scrape_settings import PROBES
from collector.settings import Settings

_ALL: Final = tuple(Settings.model_fields)

# How to reach a collector.
REACHING: Final = (
    "url",
    "token_file",
    "basic_auth_file",
    "url_ca_file",
    "url_certificate_file",
    "url_key_file",
    "id_token",
)

# Every setting stands in one of these, in the order in which they are read.
GROUPS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Nodes": ("node", "cookie_file", "own_name", "epmd_port", "answer_memory_bytes"),
        "TLS distribution": tuple(name for name in _ALL if name.startswith("tls_")),
        "What is looked at": ("expected_supervisors", "watch_tables", "governor_supervisors", "extra_supervisors"),
        "HTTP, and who may what": (
            *("listen", "web_config_file", "allowed_hosts", "tokens_file", "shell_token_file", "insecure_no_auth"),
        ),
        "Beside the service": ("stay", "memory_ceiling_bytes"),
        "Metrics": ("naming", "scrape_without", "scrape_max_series"),
        "What it may cost": ("max_scheduler_share", "fresh_min_interval_seconds"),
        "Acting, and the journal": (
            *("journal", "allow_ets_delete", "watch_minutes"),
            *(name for name in _ALL if name.startswith("restart_")),
        ),
        "The service": (
            *("service_url", "service_memory_limit_bytes", "prometheus_url", "prometheus_selector"),
            *(name for name in _ALL if name.startswith("cloud_")),
        ),
        "Log and last hour": ("log_format", "vitals_interval_seconds", "trend_interval_seconds"),
        "Black box": ("black_box",),
        "Command line": REACHING,
        "Diagnosis": tuple(name for name in _ALL if name.startswith("diagnosis_")),
    }
)

_DEFAULT: Final = re.compile(r" \(default: (.*)\)$", re.DOTALL)
# What stands for a value in the help, by the last word of a setting's name or by its kind.
_BY_LAST_WORD: Final = MappingProxyType(
    {
        "node": "NAME@HOST",
        "listen": "ADDRESS:PORT",
        "port": "PORT",
        "url": "URL",
        "bytes": "BYTES",
        "seconds": "SECONDS",
        "minutes": "MINUTES",
        "share": "SHARE",
        "selector": "MATCHERS",
        "token": "TOKEN",
        "format": "FORMAT",
        "naming": "NAMING",
    }
)
_BY_KIND: Final = MappingProxyType({bool: None, Path: "FILE", tuple: "NAME,...", int: "N", float: "N", str: "NAME"})


def meaning_of(name: str) -> str:
    """Return what the value of a setting should be, without its default."""
    return _DEFAULT.sub("", Settings.model_fields[name].description or "")


def default_of(name: str) -> str:
    """Return what holds when a setting is not given. Empty: nothing does."""
    field = Settings.model_fields[name]
    if in_words := _DEFAULT.search(field.description or ""):
        return in_words[1]
    match field.default:
        case None:
            return ""
        case bool(value):
            return str(value).lower()
        case tuple(value):
            return ", ".join(value)
        case float(value):
            return f"{value:g}"
        case value:
            return str(value)


def choices_of(name: str) -> tuple[str, ...]:
    """Return all values that a setting, or a part of its list, can have. Empty: too many to name."""
    if name == "scrape_without":
        return PROBES
    annotation = Settings.model_fields[name].annotation
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def metavar_of(name: str) -> str | None:
    """Return what stands for the value of a setting in the help. None: it is on or off."""
    if (word := name.rpartition("_")[2]) in _BY_LAST_WORD:
        return _BY_LAST_WORD[word]
    return _BY_KIND[_kind(Settings.model_fields[name].annotation)]


def _kind(annotation: Any) -> type:  # noqa: ANN401  # what an annotation can be has no type of its own
    """Take off what says that a value may be missing, and how it is checked."""
    while (origin := get_origin(annotation)) is not None:
        if origin is tuple:
            return tuple
        inner = [one for one in get_args(annotation) if one is not type(None)]
        annotation = inner[0]
    assert isinstance(annotation, type)
    return annotation
