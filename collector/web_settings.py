"""The settings of the HTTP port's web configuration, and of how the command line comes in where there is one."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from collector.setting_kinds import File


class WebSettings(BaseModel):
    """What is set of TLS and passwords. A field's description says what its value should be, in errors and help."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    web_config_file: File | None = Field(
        default=None,
        description="a web configuration as Prometheus and its exporters take it: TLS and passwords of our port",
    )
    url_ca_file: File | None = Field(
        default=None,
        description="the authorities that may have signed the collector's certificate (default: public ones)",
    )
    url_certificate_file: File | None = Field(
        default=None, description="your certificate with its chain, in PEM form, for a collector that wants one"
    )
    url_key_file: File | None = Field(
        default=None, description="the key of your certificate, in PEM form (default: in the file of the certificate)"
    )
    basic_auth_file: File | None = Field(
        default=None,
        description="the file that holds user:password for the collector (default: BEAMWARDEN_BASIC_AUTH)",
    )
