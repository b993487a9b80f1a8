"""The settings that say where the service is that the nodes run, and what is known of it from elsewhere."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from collector.setting_kinds import no_truth, to_url

_MATCHER: Final = r'[A-Za-z_]\w*\s*(?:=|!=|=~|!~)\s*"(?:[^"\\\n]|\\.)*"'
_MATCHERS: Final = re.compile(rf"{_MATCHER}(?:\s*,\s*{_MATCHER})*", re.ASCII)


def _to_matchers(value: str) -> str:
    matchers = value.strip().removeprefix("{").removesuffix("}").strip()
    if matchers and not _MATCHERS.fullmatch(matchers):
        raise ValueError(f"{value!r} is no list of label matchers")
    return matchers


def _to_cloud_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.:-]{0,99}", value):
        raise ValueError(f"{value!r} is no name as Google Cloud has them")
    return value


def _to_url_or_none(value: str) -> str | None:
    return None if value == "none" else to_url(value)


_CloudName = Annotated[str, AfterValidator(_to_cloud_name)]


class ServiceSettings(BaseModel):
    """What is set of the service. A field's description says what its value should be, in errors and in the help."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service_url: Annotated[str, AfterValidator(_to_url_or_none)] | None = Field(
        default="http://127.0.0.1:8080",
        description="where the service itself answers, whose /health and /metrics are part of a diagnosis, "
        "or none: there is no such service",
    )
    service_memory_limit_bytes: Annotated[int, BeforeValidator(no_truth)] | None = Field(
        default=None,
        ge=1 << 20,
        le=1 << 50,
        description="the memory limit of the service's container in bytes, where the node does not tell it, "
        "1048576 to 1125899906842624",
    )
    prometheus_url: Annotated[str, AfterValidator(to_url)] | None = Field(
        default=None,
        description="a Prometheus that has the service's metrics, Google's managed one say, without /api/v1",
    )
    prometheus_selector: Annotated[str, AfterValidator(_to_matchers)] = Field(
        default="",
        description='label matchers that choose this service among several there, as job="tai",env="prod"',
    )
    cloud_project: _CloudName | None = Field(
        default=None, description="the Google Cloud project of the service, for commands (default: as Cloud Run says)"
    )
    cloud_region: _CloudName | None = Field(
        default=None, description="the region that it runs in, for commands (default: as Cloud Run says)"
    )
    cloud_service: _CloudName | None = Field(
        default=None, description="its name in Cloud Run, for commands (default: as Cloud Run says)"
    )
