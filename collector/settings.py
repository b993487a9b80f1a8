"""All settings: what each is, its default, and which values it may have. `collector.load` says where they come from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from agent.errors import NodeNameError, SettingError
from agent.limits import DEFAULT_MAX_MEMORY_BYTES, MIN_MAX_MEMORY_BYTES
from agent.names import NodeName, Target, parse_own_name
from agent.probes.ets import DEFAULT_WATCH_TABLES
from agent.probes.governors import DEFAULT_SUPERVISORS
from agent.tls import Tls, is_server_name
from collector.access_settings import AccessSettings
from collector.diagnosis_settings import DiagnosisSettings
from collector.freshness import DEFAULT_FRESH_MIN_INTERVAL_SECONDS, DEFAULT_MAX_SCHEDULER_SHARE
from collector.scrape_settings import ScrapeSettings
from collector.service_settings import ServiceSettings
from collector.setting_kinds import File, Names, no_truth, to_list
from collector.sidecar_settings import SidecarSettings
from collector.web_settings import WebSettings


class SettingsError(SettingError):
    """One or more settings are wrong; the message has a line for each, ``settings`` the names of those that exist."""

    def __init__(self, message: str, settings: Iterable[str] = ()) -> None:
        self.settings = tuple(sorted(set(settings)))
        super().__init__(message)


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

    def local_url(self, scheme: str = "http") -> str:
        """Return where a program on this machine finds whoever listens here."""
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared, not bound
        return f"{scheme}://{Address(everywhere.get(self.host, self.host), self.port)}"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


DEFAULT_ADDRESS: Final = Address("127.0.0.1", 9750)


def _to_server_name(value: str) -> str:
    if not is_server_name(value):
        raise ValueError(f"{value!r} is no host name and no address")
    return value


def _off_or_a_second(value: float) -> float:
    if 0.0 < value < 1.0:
        raise ValueError(f"{value:g} is less than a second")
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


class OwnSettings(BaseModel):
    """What is set of the collector and of the nodes that it watches."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    node: Annotated[
        tuple[Annotated[Target, BeforeValidator(_to_target)], ...],
        BeforeValidator(to_list),
        AfterValidator(_all_different),
    ] = Field(default=(), description="a node to watch: name@host, or name@host:port when no epmd runs there")
    cookie_file: File | None = Field(
        default=None, description="the file that holds the cluster's cookie (default: ~/.erlang.cookie)"
    )
    own_name: Annotated[str, AfterValidator(_to_own_name)] | None = Field(
        default=None, description="a fixed name for us, name or name@host (default: each node gives us one)"
    )
    epmd_port: Annotated[int, BeforeValidator(no_truth)] = Field(
        default=4369,
        ge=1,
        le=65_535,
        description="the port of epmd on the nodes' hosts, 1 to 65535",
    )
    tls_ca_file: File | None = Field(
        default=None, description="the authorities that may have signed a node's certificate, in PEM form; turns TLS on"
    )
    tls_certificate_file: File | None = Field(
        default=None, description="our certificate with its chain, in PEM form, for nodes that want one"
    )
    tls_key_file: File | None = Field(
        default=None, description="the key of our certificate, in PEM form (default: in the file of the certificate)"
    )
    tls_server_name: Annotated[str, AfterValidator(_to_server_name)] | None = Field(
        default=None, description="the name that a node's certificate must be for (default: the host in its name)"
    )
    tls_insecure_no_verify: bool = Field(
        default=False, description="true to speak TLS with whoever answers for a node, unverified, else false"
    )
    answer_memory_bytes: Annotated[int, BeforeValidator(no_truth)] = Field(
        default=DEFAULT_MAX_MEMORY_BYTES,
        ge=MIN_MAX_MEMORY_BYTES,
        le=1 << 32,
        description="the most memory that what one node sends may take here, in bytes, 67108864 to 4294967296",
    )
    listen: Annotated[Address, BeforeValidator(_to_address)] = Field(
        default=DEFAULT_ADDRESS, description="address:port to serve on"
    )
    journal: File | None = Field(
        default=None,
        description="the file that every action is written to, allowed or refused "
        "(default: beamwarden/journal.db in $XDG_STATE_HOME, or in ~/.local/state)",
    )
    expected_supervisors: Names = Field(
        default=(), description="registered names of supervisors that must run for /health to be ok"
    )
    watch_tables: Names = Field(
        default=DEFAULT_WATCH_TABLES,
        description="names of ETS tables that are always shown, and kept for an hour in /trend",
    )
    governor_supervisors: Names = Field(
        default=DEFAULT_SUPERVISORS,
        description="registered names of the supervisors that have the governors below them",
    )
    extra_supervisors: Names = Field(
        default=(), description="registered names of supervisors to show that belong to no application"
    )
    max_scheduler_share: Annotated[float, BeforeValidator(no_truth)] = Field(
        default=DEFAULT_MAX_SCHEDULER_SHARE,
        gt=0.0,
        le=1.0,
        description="how much of one scheduler of a node scrapes and timers may cost it, above 0 to 1",
    )
    fresh_min_interval_seconds: Annotated[float, BeforeValidator(no_truth)] = Field(
        default=DEFAULT_FRESH_MIN_INTERVAL_SECONDS,
        ge=0.0,
        le=3_600.0,
        description="seconds before the same expensive question is asked anew for people, 0 to 3600",
    )
    restart_applications: Names = Field(
        default=(),
        description="the applications whose children may be restarted (default: all but those of OTP and Elixir)",
    )
    restart_denied_applications: Names = Field(
        default=(), description="applications whose children may not be restarted, whatever else is set"
    )
    restart_cooldown_seconds: Annotated[float, BeforeValidator(no_truth)] = Field(
        default=60.0,
        ge=0.0,
        le=86_400.0,
        description="seconds before the same child may be restarted again, 0 to 86400",
    )
    restart_max_actions: Annotated[int, BeforeValidator(no_truth)] = Field(
        default=5, ge=1, le=1_000, description="how many actions on one node within restart_window_seconds, 1 to 1000"
    )
    restart_window_seconds: Annotated[float, BeforeValidator(no_truth)] = Field(
        default=600.0, ge=1.0, le=86_400.0, description="seconds for which an action counts, 1 to 86400"
    )
    restart_retries: Annotated[int, BeforeValidator(no_truth)] = Field(
        default=3, ge=0, le=10, description="how often a start that fails is tried again, 0 to 10"
    )
    allow_ets_delete: bool = Field(
        default=False, description="true to let operators delete keys of public ETS tables, else false"
    )
    watch_minutes: Annotated[float, BeforeValidator(no_truth)] = Field(
        default=5.0, ge=0.0, le=60.0, description="minutes for which it is watched whether a restart held, 0 to 60"
    )
    vitals_interval_seconds: Annotated[float, BeforeValidator(no_truth)] = Field(
        default=60.0, ge=1.0, le=86_400.0, description="seconds between two log lines of vital signs, 1 to 86400"
    )
    black_box: bool = Field(
        default=True,
        description="true to log what is known of a node when it comes near its end, else false",
    )
    trend_interval_seconds: Annotated[float, BeforeValidator(no_truth), AfterValidator(_off_or_a_second)] = Field(
        default=10.0,
        ge=0.0,
        le=60.0,
        description="seconds between two points of the last hour in /trend, 1 to 60, or 0 to keep none",
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="json, text, or auto: text on a terminal, json elsewhere"
    )

    @property
    def tls(self) -> Tls | None:
        """How to speak TLS to the nodes; None when nothing of it is set."""
        tls = Tls(
            ca_file=self.tls_ca_file,
            certificate_file=self.tls_certificate_file,
            key_file=self.tls_key_file,
            server_name=self.tls_server_name,
            is_verified=not self.tls_insecure_no_verify,
        )
        return None if tls == Tls() else tls


class Settings(
    SidecarSettings, DiagnosisSettings, ServiceSettings, ScrapeSettings, AccessSettings, WebSettings, OwnSettings
):
    """All settings. A field's description says what its value should be, in errors and in the help."""
