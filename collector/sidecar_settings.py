"""The settings of a collector that shares its container instance with the service."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from collector.setting_kinds import no_truth

DEFAULT_MEMORY_CEILING_BYTES: Final = 192 << 20
# The program alone takes some 75 MiB, and what one node sends may take 64 MiB at the least (`agent.limits`).
MIN_MEMORY_CEILING_BYTES: Final = 128 << 20


class SidecarSettings(BaseModel):
    """What is set for the sake of the service. A field's description says what its value should be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stay: bool = Field(
        default=False,
        description="true to stay up whatever is wrong with the settings, say so over HTTP and in the log, and begin "
        "once they are right, as a sidecar has to, else false",
    )
    memory_ceiling_bytes: Annotated[int, BeforeValidator(no_truth)] = Field(
        default=DEFAULT_MEMORY_CEILING_BYTES,
        ge=MIN_MEMORY_CEILING_BYTES,
        le=1 << 40,
        description="the resident memory of this program beyond which it refuses what takes much, in bytes, "
        "134217728 to 1099511627776",
    )
