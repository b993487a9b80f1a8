"""What is in deploy/, read as those programs read it that it is for, and what it is held against."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from fastapi.routing import APIRoute
from pydantic import AliasGenerator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from agent.probes.governors import DEFAULT_SUPERVISORS
from collector.load import load_settings
from collector.routes import endpoints
from collector.settings import DEFAULT_ADDRESS, Settings

ROOT: Final = Path(__file__).parent.parent
DEPLOY: Final = ROOT / "deploy"
PORT: Final = DEFAULT_ADDRESS.port
USER: Final = 65532
PREFIX: Final = "BEAMWARDEN_"


class Camel(BaseModel):
    """What has fields in camel case, and none but those."""

    model_config = ConfigDict(
        extra="forbid", alias_generator=AliasGenerator(validation_alias=to_camel), populate_by_name=True
    )


def read(path: str) -> Any:  # noqa: ANN401  # YAML is of any shape
    """Return the content of a YAML file with one document."""
    return yaml.safe_load((DEPLOY / path).read_text())


def installed(program: str) -> pytest.MarkDecorator:
    """Skip a test where the program is not."""
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def named(things: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Return the one thing of that name."""
    (found,) = [thing for thing in things if thing["name"] == name]
    return found


def environment_of(container: Mapping[str, Any]) -> dict[str, str]:
    """Return a container's variables."""
    return {variable["name"]: variable["value"] for variable in container.get("env", [])}


@cache
def image_environment() -> dict[str, str]:
    """Return the variables that the image sets for whoever runs it."""
    instructions = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    (line,) = re.findall(rf"^ENV (.*{PREFIX}.*)$", instructions, re.MULTILINE)
    return dict(pair.split("=", 1) for pair in line.split())


def settings_of(environment: Mapping[str, str]) -> Settings:
    """Load settings as the program does, so that a wrong name or value is an error."""
    return load_settings({}, environment)


def is_set_for_tai(settings: Settings) -> bool:
    """Whether a node of TAI is watched, and what its playbook looks at."""
    return (
        [str(target.node) for target in settings.node] == ["tai_autonomics@127.0.0.1"]
        and {"tai_autonomics_sup", "receipt_ledger_sup", *DEFAULT_SUPERVISORS} <= set(settings.expected_supervisors)
        and {"receipt_ledger", "tai_receipts_store"} <= set(settings.watch_tables)
    )


@cache
def routes() -> frozenset[str]:
    """Return the paths of what probes and scrapers ask."""
    return frozenset(route.path for route in endpoints.router.routes if isinstance(route, APIRoute))


@cache
def cloud_run_schemas(version: str) -> dict[str, Any]:
    """Return the schemas of a version of Cloud Run's API, as Google publishes them."""
    document = f"googleapiclient/discovery_cache/documents/run.{version}.json"
    path = distribution("google-api-python-client").locate_file(document)
    schemas: dict[str, Any] = json.loads(Path(str(path)).read_text())["schemas"]
    return schemas


_KINDS: Final = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


def mistakes(value: object, schema: dict[str, Any], schemas: dict[str, Any], place: str = "") -> Iterator[str]:
    """Hold a value against a schema of Google's: what is unknown, of another kind, or not for Cloud Run."""
    schema = schemas[schema["$ref"]] if "$ref" in schema else schema
    if schema.get("description", "").startswith(("Not supported by Cloud Run", "Not supported in Cloud Run")):
        yield f"{place}: not for Cloud Run"
    elif not isinstance(value, _KINDS[schema["type"]]) or (schema["type"] == "integer" and isinstance(value, bool)):
        yield f"{place}: {value!r} is no {schema['type']}"
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from mistakes(inner, schema["items"], schemas, f"{place}[{number}]")
    elif isinstance(value, dict):
        for name, inner in value.items():
            field = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
            if field is None:
                yield f"{place}.{name}: there is no such field"
            else:
                yield from mistakes(inner, field, schemas, f"{place}.{name}")
    elif value not in schema.get("enum", [value]):
        yield f"{place}: {value!r} is none of {schema['enum']}"


def bytes_of(quantity: str) -> int:
    """Return how many bytes a quantity of Kubernetes is."""
    number, unit = re.fullmatch(r"(\d+)(Ki|Mi|Gi)", quantity).groups()  # type: ignore[union-attr]  # or the test fails
    return int(number) << {"Ki": 10, "Mi": 20, "Gi": 30}[unit]
