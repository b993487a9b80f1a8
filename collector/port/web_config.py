"""The web configuration of the Prometheus world: TLS, passwords and headers of the HTTP port, in YAML.

Its keys are those of Prometheus, its exporters and Alertmanager, so that one file serves all of them. What Python's TLS
cannot do is refused with the name of the key, and so is what would admit more than it seems to.

Source: docs/web-configuration.md and web/tls_config.go of https://github.com/prometheus/exporter-toolkit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from agent.errors import SettingError

MAX_DEPTH: Final = 10  # of what stands in what; the deepest that has a meaning has three
MAX_BCRYPT_COST: Final = 18  # some twenty seconds for one password, and each step more takes twice as long

_HASH: Final = re.compile(r"\$2[abxy]?\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_DURATION: Final = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|ms|s|m|h)")
_UNIT_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
# What Go calls them, and OpenSSL. Those of TLS 1.3 are always on, in both.
CIPHERS: Final[Mapping[str, str | None]] = {
    "TLS_AES_128_GCM_SHA256": None,
    "TLS_AES_256_GCM_SHA384": None,
    "TLS_CHACHA20_POLY1305_SHA256": None,
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
}
CURVES: Final = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1"}
# The headers that may be set, and their values where not all are allowed (web/handler.go).
HEADERS: Final[Mapping[str, Sequence[str]]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}


class WebConfigError(SettingError):
    """The web configuration is wrong; a line for each mistake, none of which has a key, a hash or a password."""


def _to_version(value: str) -> str:
    if value in {"TLS10", "TLS11"}:
        raise ValueError(f"{value} is not spoken here, as RFC 8996 has it")
    if value not in {"TLS12", "TLS13"}:
        raise ValueError(f"{value!r} is no version of TLS")
    return value


def _to_cipher(value: str) -> str:
    if value not in CIPHERS:
        raise ValueError(f"{value!r} is no cipher suite that Go calls secure")
    return value


def _to_curves(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in {*CURVES, "X25519"}:
            raise ValueError(f"{name!r} is no curve")
    if len(names) > 1 or names == ("X25519",):
        raise ValueError("Python's TLS takes one curve of NIST, or chooses among all by itself")
    return names


def _to_client_auth(value: str) -> str:
    if value in {"RequireAnyClientCert", "RequireClientCert"}:
        raise ValueError(f"{value} lets in whoever has made a certificate of their own, and Python's TLS cannot do it")
    return value


def _to_hash(value: object) -> object:
    found = _HASH.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("it is no hash of bcrypt")
    if int(found[1]) > MAX_BCRYPT_COST:
        raise ValueError(f"its cost is above {MAX_BCRYPT_COST}, and nobody would wait so long")
    return value


def _to_user(value: str) -> str:
    if ":" in value:  # RFC 7617, 2: the password begins behind the first one
        raise ValueError(f"a name with a colon can never be given: {value!r}")
    return value


def _to_seconds(value: object) -> object:
    if value == "0":
        return 0.0
    if not isinstance(value, str) or not re.fullmatch(rf"(?:{_DURATION.pattern})+", value):
        raise ValueError(f"{value!r} is no duration")
    return sum(
        float(part.rstrip("nuµmsh")) * _UNIT_SECONDS[part.lstrip("0123456789.")] for part in _DURATION.findall(value)
    )


def _to_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if name not in HEADERS:
            raise ValueError(f"{name} cannot be set; there are {', '.join(HEADERS)}")
        if HEADERS[name] and value not in HEADERS[name]:
            raise ValueError(f"{name} should be {' or '.join(HEADERS[name])}, not {value!r}")
        if not re.fullmatch(r"[\x20-\x7e]*", value):
            raise ValueError(f"{name} has what no header may have")
    return {name: value for name, value in headers.items() if value}


_Version = Annotated[str, AfterValidator(_to_version)]
_Cipher = Annotated[str, AfterValidator(_to_cipher)]
_User = Annotated[str, AfterValidator(_to_user)]
_Hash = Annotated[str, BeforeValidator(_to_hash)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, value: object) -> object:
        if value == "":
            return {}
        if not isinstance(value, dict):
            raise ValueError("it is no table of keys")  # noqa: TRY004  # pydantic wants a ValueError
        return {name: each for name, each in value.items() if each != ""}


class TlsServerConfig(_Part):
    """``tls_server_config``: how TLS is spoken. A field's description says what its value should be."""

    cert: str = Field(default="", repr=False, description="our certificate with its chain, in PEM form")
    key: str = Field(default="", repr=False, description="its key, in PEM form")
    client_ca: str = Field(default="", description="the authorities of clients' certificates, in PEM form")
    cert_file: str = Field(default="", description="the file of our certificate with its chain, in PEM form")
    key_file: str = Field(default="", description="the file of its key, in PEM form")
    client_ca_file: str = Field(default="", description="the file of the authorities of clients' certificates")
    client_auth_type: Annotated[
        Literal["NoClientCert", "RequestClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"],
        BeforeValidator(_to_client_auth),
    ] = Field(
        default="NoClientCert",
        description="NoClientCert, RequestClientCert, VerifyClientCertIfGiven or RequireAndVerifyClientCert",
    )
    client_allowed_sans: tuple[str, ...] = Field(
        default=(), description="a list of names, one of which a client's certificate must be for"
    )
    min_version: _Version = Field(default="TLS12", description="TLS12 or TLS13")
    max_version: _Version = Field(default="TLS13", description="TLS12 or TLS13")
    cipher_suites: tuple[_Cipher, ...] = Field(
        default=(), description=f"a list of suites up to TLS 1.2 by Go's names: {', '.join(CIPHERS)}"
    )
    prefer_server_cipher_suites: bool = Field(default=True, description="true or false")
    curve_preferences: Annotated[tuple[str, ...], AfterValidator(_to_curves)] = Field(
        default=(), description=f"left out, or a list of one of {', '.join(CURVES)}"
    )

    @model_validator(mode="after")
    def _is_whole(self) -> TlsServerConfig:
        for inline, file in (("cert", "cert_file"), ("key", "key_file")):
            if not getattr(self, inline) and not getattr(self, file):
                raise ValueError(f"it has neither {inline} nor {file}")
        for one in ("cert", "key", "client_ca"):
            if getattr(self, one) and getattr(self, f"{one}_file"):
                raise ValueError(f"it has both {one} and {one}_file: leave one of them out")
        if self.min_version > self.max_version:
            raise ValueError(f"min_version {self.min_version} is above max_version {self.max_version}")
        if self.cipher_suites and self.max_version == "TLS12" and not self.openssl_ciphers:
            raise ValueError("cipher_suites has none for TLS 1.2, and max_version leaves nothing else")
        self._check_clients()
        return self

    def _check_clients(self) -> None:
        is_verified = self.client_auth_type in {"VerifyClientCertIfGiven", "RequireAndVerifyClientCert"}
        if (self.client_ca or self.client_ca_file) and self.client_auth_type == "NoClientCert":
            raise ValueError("it has authorities of clients and no client_auth_type, so that nobody would be verified")
        if self.client_auth_type == "RequireAndVerifyClientCert" and not (self.client_ca or self.client_ca_file):
            raise ValueError("client_auth_type needs client_ca or client_ca_file, or any public certificate would do")
        if self.client_allowed_sans and not is_verified:
            raise ValueError(
                "client_allowed_sans needs client_auth_type RequireAndVerifyClientCert, or keeps nobody out"
            )

    @property
    def openssl_ciphers(self) -> list[str]:
        """The suites up to TLS 1.2, by OpenSSL's names."""
        return [name for name in map(CIPHERS.get, self.cipher_suites) if name is not None]


class HttpServerConfig(_Part):
    """``http_server_config``: what every answer has. HTTP/2 is offered to nobody, so that all speak HTTP/1.1."""

    http2: bool = Field(default=True, description="true or false")
    headers: Annotated[dict[str, str], AfterValidator(_to_headers)] = Field(
        default_factory=dict, description="a table of headers"
    )


class RateLimit(_Part):
    """``rate_limit``: how often this port answers. 0 seconds is no limit."""

    interval: Annotated[float, BeforeValidator(_to_seconds)] = Field(
        default=0.0, le=86_400.0, description="a duration, as in 1s or 100ms, of a day at most"
    )
    burst: int = Field(default=0, ge=0, le=1_000_000, description="how many requests may come at once")

    @model_validator(mode="after")
    def _lets_somebody_in(self) -> RateLimit:
        if self.interval > 0.0 and self.burst < 1:
            raise ValueError("burst should be 1 at least, or nobody is ever answered")
        return self


class WebConfig(_Part):
    """All of it. ``basic_auth_users`` has the bcrypt hash of each user's password."""

    tls_server_config: TlsServerConfig | None = Field(default=None, description="a table")
    http_server_config: HttpServerConfig = Field(default_factory=HttpServerConfig, description="a table")
    basic_auth_users: dict[_User, _Hash] = Field(
        default_factory=dict, repr=False, description="a table of users, each with the bcrypt hash of the password"
    )
    rate_limit: RateLimit = Field(default_factory=RateLimit, description="a table of interval and burst")


def parse_web_config(text: str, place: Path) -> WebConfig:
    """Read what the file at ``place`` holds. Relative paths in it begin in its folder. Raises `WebConfigError`."""
    lines: dict[tuple[str | int, ...], int] = {}
    mistakes: list[str] = []
    try:
        _refuse_knots(text)
        root = yaml.compose(text, Loader=yaml.BaseLoader)
        content = {} if root is None else _value(root, (), lines, mistakes)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise WebConfigError(f"{place}, line {mark.line + 1 if mark else 1}: is no YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise WebConfigError(f"{place}: is no YAML: {str(error).splitlines()[0]}") from None
    try:
        found = WebConfig.model_validate(content)
    except ValidationError as error:
        mistakes += [
            _explain(each["loc"], each["type"], each["msg"], lines) for each in error.errors(include_input=False)
        ]
    else:
        if not mistakes:
            return _beside(found, place.parent)
    raise WebConfigError("\n".join(f"{place}, {mistake}" for mistake in mistakes))


def _refuse_knots(text: str) -> None:
    """Refuse what is deep, or refers to itself: both would take memory or a stack without end. Raises YAMLError."""
    depth = 0
    for token in yaml.scan(text, Loader=yaml.BaseLoader):
        if isinstance(token, yaml.AliasToken):
            raise yaml.MarkedYAMLError(problem="aliases are not taken here", problem_mark=token.start_mark)
        depth += type(token).__name__.endswith("StartToken") - type(token).__name__.endswith("EndToken")
        if depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="it is too deep", problem_mark=token.start_mark)


def _value(
    node: yaml.Node, where: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int], mistakes: list[str]
) -> object:
    """Take a node apart: texts, lists and tables. Notes the line of each, and keys that are there twice."""
    lines.setdefault(where, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_value(each, (*where, number), lines, mistakes) for number, each in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return node.value
    found: dict[str, object] = {}
    for key, each in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            mistakes.append(f"line {line}: {'.'.join(map(str, where)) or 'the whole'}: a key is no text")
            continue
        if name in found:
            mistakes.append(f"line {line}: {'.'.join(map(str, (*where, name)))}: it is there twice")
        lines[*where, name] = line
        found[name] = _value(each, (*where, name), lines, mistakes)
    return found


def _explain(where: tuple[str | int, ...], kind: str, message: str, lines: Mapping[tuple[str | int, ...], int]) -> str:
    where = tuple(part for part in where if part != "[key]")
    known = next((where[:length] for length in range(len(where), -1, -1) if where[:length] in lines), ())
    prefix = f"line {lines.get(known, 1)}: {'.'.join(map(str, where)) or 'the whole'}: "
    part, described = _described(where)
    if kind == "extra_forbidden":
        return f"{prefix}there is no such key; there are {', '.join(part.model_fields)}"
    said = message.removeprefix("Value error, ")
    return f"{prefix}{said}" + (f"; it should be {described}" if described else "")


def _described(where: tuple[str | int, ...]) -> tuple[type[_Part], str | None]:
    """Find the part that a place belongs to, and what should stand there."""
    part: type[_Part] = WebConfig
    described = None
    for name in where:
        field = part.model_fields.get(str(name))
        if field is None:
            break
        described = field.description
        inner: Any = _PARTS.get(str(name))
        if inner is None:
            break
        part, described = inner, None
    return part, described


_PARTS: Final = {
    "tls_server_config": TlsServerConfig,
    "http_server_config": HttpServerConfig,
    "rate_limit": RateLimit,
}


def _beside(found: WebConfig, folder: Path) -> WebConfig:
    tls = found.tls_server_config
    if tls is None:
        return found
    files = ("cert_file", "key_file", "client_ca_file")
    joined = {name: str(folder / getattr(tls, name)) for name in files if getattr(tls, name)}
    return found.model_copy(update={"tls_server_config": tls.model_copy(update=joined)})
