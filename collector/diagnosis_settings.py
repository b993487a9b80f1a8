"""The settings that say from which figures on something is called ill: the playbook's, and those it has none for."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from collector.setting_kinds import no_truth

Share = Annotated[float, BeforeValidator(no_truth), Field(gt=0.0, le=1.0)]
Count = Annotated[int, BeforeValidator(no_truth), Field(ge=1, le=1_000_000_000)]
Seconds = Annotated[float, BeforeValidator(no_truth), Field(gt=0.0, le=3_600.0)]

# Each of these is worse than the one before it, and so never from a smaller figure on.
_WORSE_THAN: Final = {
    "diagnosis_error_share_critical": "diagnosis_error_share_high",
    "diagnosis_latency_seconds_high": "diagnosis_latency_seconds_medium",
    "diagnosis_memory_share_high": "diagnosis_memory_share_medium",
    "diagnosis_memory_share_critical": "diagnosis_memory_share_high",
    "diagnosis_limit_share_high": "diagnosis_limit_share_medium",
    "diagnosis_mailbox_messages_high": "diagnosis_mailbox_messages_medium",
}


class DiagnosisSettings(BaseModel):
    """Where being ill begins. A field's description says what its value should be, in errors and in the help."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    diagnosis_error_share_high: Share = Field(
        default=0.01, description="the share of requests that fail which is High (SEV-2), above 0 to 1"
    )
    diagnosis_error_share_critical: Share = Field(
        default=0.5, description="the share of requests that fail above which it is Critical (SEV-1), above 0 to 1"
    )
    diagnosis_latency_seconds_medium: Seconds = Field(
        default=1.0, description="the 99th percentile of latency above which it is Medium (SEV-3), above 0 to 3600"
    )
    diagnosis_latency_seconds_high: Seconds = Field(
        default=5.0, description="the 99th percentile of latency above which it is High (SEV-2), above 0 to 3600"
    )
    diagnosis_least_requests: Count = Field(
        default=100, description="how many requests must be seen for a rate or a percentile, 1 to 1000000000"
    )
    diagnosis_memory_share_medium: Share = Field(
        default=0.8, description="the share of the memory limit that is a Medium finding, above 0 to 1"
    )
    diagnosis_memory_share_high: Share = Field(
        default=0.9, description="the share of the memory limit that is a High finding, above 0 to 1"
    )
    diagnosis_memory_share_critical: Share = Field(
        default=0.95, description="the share of the memory limit that is a Critical finding, above 0 to 1"
    )
    diagnosis_limit_share_medium: Share = Field(
        default=0.8, description="the share of processes, ports or atoms that is a Medium finding, above 0 to 1"
    )
    diagnosis_limit_share_high: Share = Field(
        default=0.95, description="the share of processes, ports or atoms that is a High finding, above 0 to 1"
    )
    diagnosis_mailbox_messages_medium: Count = Field(
        default=10_000, description="a mailbox with more messages is a Medium finding, 1 to 1000000000"
    )
    diagnosis_mailbox_messages_high: Count = Field(
        default=100_000, description="a mailbox with more messages is a High finding, 1 to 1000000000"
    )
    diagnosis_restarts_left: Annotated[int, BeforeValidator(no_truth)] = Field(
        default=1,
        ge=0,
        le=1_000,
        description="a supervisor that bears no more restarts than these is a finding, 0 to 1000",
    )
    diagnosis_soon_minutes: Annotated[float, BeforeValidator(no_truth)] = Field(
        default=30.0,
        gt=0.0,
        le=1_440.0,
        description="memory that reaches its limit within so many minutes is a High finding, above 0 to 1440",
    )
    diagnosis_rise_share: Share = Field(
        default=0.05, description="a rise by less than this share of what there was is no growth, above 0 to 1"
    )

    diagnosis_run_queue_length: Count = Field(
        default=10,
        description="more processes that wait for each scheduler, at every look, are a finding, 1 to 1000000000",
    )
    diagnosis_port_queue_bytes: Count = Field(
        default=16_777_216, description="more bytes that wait in a port are a finding, 1 to 1000000000"
    )
    diagnosis_action_queue_depth: Count = Field(
        default=100, description="more actions that wait for the fullest pool are a finding, 1 to 1000000000"
    )
    diagnosis_governor_messages: Count = Field(
        default=1_000, description="more messages that wait for a governor are a finding, 1 to 1000000000"
    )

    @field_validator(*_WORSE_THAN)
    @classmethod
    def _is_worse(cls, value: float, info: ValidationInfo) -> float:
        milder = _WORSE_THAN[info.field_name or ""]
        if milder in info.data and value < info.data[milder]:
            raise ValueError(f"{value:g} is less than {milder}, which is {info.data[milder]:g}")
        return value

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of these settings."""
        return tuple(cls.model_fields)
