"""deploy/terraform: held against Cloud Run's own schema and deploy/cloudrun, and evaluated by terraform where it is.

The provider of Google is not asked: tests fetch nothing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, Final

import hcl2
import pytest
from pydantic.alias_generators import to_camel

from tests.deployment import (
    DEPLOY,
    cloud_run_schemas,
    environment_of,
    image_environment,
    installed,
    is_set_for_tai,
    mistakes,
    named,
    read,
    settings_of,
)

MODULE: Final = DEPLOY / "terraform"
FILES: Final = sorted(MODULE.glob("*.tf"))
PLAIN: Final = hcl2.SerializationOptions(with_comments=False, explicit_blocks=False, strip_string_quotes=True)
# What the provider has beside the API's own fields: where the service is, in its address there.
OF_THE_PROVIDER: Final = {"project", "location", "name", "dependsOn"}
REQUIRED: Final = {
    "project_id": "my-project",
    "region": "europe-west1",
    "service_account": "tai-autonomics@my-project.iam.gserviceaccount.com",
    "image": "tai",
    "beamwarden_image": "beamwarden",
}
WRONG: Final = {
    "project_id": "My Project",
    "region": "europe-west1-b",
    "service_name": "Tai",
    "service_account": "maria@example.com",
    "ingress": "all",
    "min_instances": "-1",
    "max_instances": "0",
    "service_memory_mib": "64",
    "beamwarden_memory_mib": "64",
    "node": "tai_autonomics",
    "beamwarden_environment": '{"NODE"="a@b"}',
}
SERVICE: Final = read("cloudrun/service.yaml")["spec"]["template"]


@cache
def parse(name: str) -> dict[str, Any]:
    return hcl2.loads((MODULE / name).read_text(), serialization_options=PLAIN)


VARIABLES: Final[dict[str, dict[str, Any]]] = {
    name: content for block in parse("variables.tf")["variable"] for name, content in block.items()
}
DEFAULTS: Final = {name: content["default"] for name, content in VARIABLES.items() if "default" in content} | REQUIRED


def resource(kind: str, name: str) -> dict[str, Any]:
    (found,) = [block[kind][name] for block in parse("main.tf")["resource"] if name in block.get(kind, {})]
    assert isinstance(found, dict)
    return found


def filled(value: object) -> object:
    """Put the variables' defaults in."""
    if not isinstance(value, str):
        return value
    if whole := re.fullmatch(r"\$\{var\.(\w+)\}", value):
        return DEFAULTS[whole[1]]
    text = re.sub(r"\$\{var\.(\w+)\}", lambda found: str(DEFAULTS[found[1]]), value)
    return re.sub(r"\$\{(google_[\w.]+)\}", r"\1", text)


def to_api(block: dict[str, Any], schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Write a block of Terraform as Cloud Run's API has it: that is how the provider's fields are made."""
    schema = schemas[schema["$ref"]] if "$ref" in schema else schema
    fields = schema.get("properties", {})
    result: dict[str, Any] = {}
    for name, value in block.items():
        if name == "dynamic":
            continue
        field = fields.get(to_camel(name), {})
        if isinstance(value, list) and value and isinstance(value[0], dict):
            inner = [to_api(each, field.get("items", field), schemas) for each in value]
            result[to_camel(name)] = inner if field.get("type") == "array" else inner[0]
        elif isinstance(value, dict):
            result[to_camel(name)] = {key: filled(each) for key, each in value.items()}
        else:
            result[to_camel(name)] = filled(value)
    return result


SCHEMAS: Final = cloud_run_schemas("v2")
OURS: Final = to_api(resource("google_cloud_run_v2_service", "tai"), {"$ref": "GoogleCloudRunV2Service"}, SCHEMAS)
CONTAINERS: Final[list[dict[str, Any]]] = OURS["template"]["containers"]


def without_terraform(expression: str) -> str:
    """Evaluate what is in the sidecar's environment, with the defaults of the variables."""
    if expression.startswith('"'):
        return expression.strip('"')
    name = re.search(r"var\.(\w+)", expression)
    assert name is not None, expression
    value = DEFAULTS[name[1]]
    if expression.startswith("tostring("):
        return str(value * int(expression.rpartition("*")[2].strip(" )")))
    return ",".join(value) if expression.startswith("join(") else str(value)


def beamwarden_environment() -> dict[str, str]:
    """The sidecar's variables."""
    (block,) = re.findall(
        r"beamwarden_environment = merge\(\{(.*?)\}, var", (MODULE / "main.tf").read_text(), re.DOTALL
    )
    pairs = re.findall(r"^ *(BEAMWARDEN_\w+) *= (.*)$", block, re.MULTILINE)
    return {name: without_terraform(expression) for name, expression in pairs}


def test_the_service_is_as_cloud_run_s_api_has_it() -> None:
    service = {name: value for name, value in OURS.items() if name not in OF_THE_PROVIDER}
    assert list(mistakes(service, {"$ref": "GoogleCloudRunV2Service"}, SCHEMAS)) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_variable_that_is_used_is_declared(file: Path) -> None:
    assert set(re.findall(r"\bvar\.(\w+)", file.read_text())) <= set(VARIABLES)


def test_every_variable_is_described_and_used() -> None:
    main = (MODULE / "main.tf").read_text()
    assert [name for name, content in VARIABLES.items() if not content.get("description")] == []
    assert [name for name in VARIABLES if f"var.{name}" not in main] == []


def test_the_readme_gives_what_must_be_given_and_nothing_unknown() -> None:
    (example,) = re.findall(r"```hcl\n(.*?)```", (MODULE / "README.md").read_text(), re.DOTALL)
    (module,) = hcl2.loads(example, serialization_options=PLAIN)["module"]
    (given,) = module.values()
    required = {name for name, content in VARIABLES.items() if "default" not in content}
    assert required <= set(given) - {"source"} <= set(VARIABLES)
    assert settings_of(beamwarden_environment() | given["beamwarden_environment"]).naming == "v6"


def test_the_settings_are_those_of_this_program_and_of_tai() -> None:
    assert is_set_for_tai(settings_of(image_environment() | beamwarden_environment()))


def test_the_sidecar_has_the_variables_that_it_has_in_the_other_file() -> None:
    assert beamwarden_environment() == environment_of(named(SERVICE["spec"]["containers"], "beamwarden"))


@pytest.mark.parametrize("name", ["tai", "beamwarden", "prometheus"])
@pytest.mark.parametrize("field", ["ports", "startupProbe", "volumeMounts"])
def test_a_container_is_as_in_the_other_file(name: str, field: str) -> None:
    assert named(CONTAINERS, name).get(field) == named(SERVICE["spec"]["containers"], name).get(field)


@pytest.mark.parametrize("name", ["tai", "beamwarden", "prometheus"])
def test_a_container_s_limits_are_those_of_the_other_file_once_units_are_reckoned(name: str) -> None:
    found = named(CONTAINERS, name)["resources"]
    limits = named(SERVICE["spec"]["containers"], name)["resources"]["limits"]
    assert found["limits"] == limits | {"memory": limits["memory"].replace("1Gi", "1024Mi")}
    assert found["cpuIdle"] is False


def test_what_waits_for_what_is_as_in_the_other_file() -> None:
    depends = {container["name"]: container["dependsOn"] for container in CONTAINERS if "dependsOn" in container}
    assert depends == json.loads(SERVICE["metadata"]["annotations"]["run.googleapis.com/container-dependencies"])


@pytest.mark.parametrize("name", ["erlang-cookie", "beamwarden-tokens", "run-monitoring"])
def test_a_secret_is_mounted_as_in_the_other_file(name: str) -> None:
    secret, other = (
        named(volumes, name)["secret"] for volumes in (OURS["template"]["volumes"], SERVICE["spec"]["volumes"])
    )
    assert secret.get("defaultMode") == other.get("defaultMode")
    assert secret["items"] == [{"version": item["key"], "path": item["path"]} for item in other["items"]]


def test_the_journal_lies_in_memory_as_in_the_other_file() -> None:
    other = named(SERVICE["spec"]["volumes"], "journal")["emptyDir"]
    assert named(OURS["template"]["volumes"], "journal")["emptyDir"] == other | {"medium": "MEMORY"}
    assert other["medium"] == "Memory"


def terraform(
    folder: Path, *arguments: str, variables: dict[str, str], given: str = ""
) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "CHECKPOINT_DISABLE": "1"}
    environment |= {f"TF_VAR_{name}": value for name, value in variables.items()}
    return subprocess.run(
        ["terraform", *arguments],
        cwd=folder,
        env=environment,
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def without_provider(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The module's variables and what is reckoned from them, which terraform evaluates without any provider."""
    folder: Path = tmp_path_factory.mktemp("module")
    shutil.copy(MODULE / "variables.tf", folder)
    (block,) = re.findall(r"^locals \{.*?^\}", (MODULE / "main.tf").read_text(), re.DOTALL | re.MULTILINE)
    output = 'output "environment" {\n  value = local.beamwarden_environment\n}\n'
    (folder / "main.tf").write_text(f"{block}\n{output}")
    return folder


@installed("terraform")
def test_terraform_finds_it_formatted() -> None:
    ended = terraform(MODULE, "fmt", "-check", "-diff", variables={})
    assert ended.returncode == 0, ended.stdout + ended.stderr


@installed("terraform")
def test_terraform_makes_the_same_variables(without_provider: Path) -> None:
    asked = "jsonencode(local.beamwarden_environment)\n"
    ended = terraform(without_provider, "console", variables=REQUIRED, given=asked)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(json.loads(ended.stdout)) == beamwarden_environment()


@installed("terraform")
def test_terraform_refuses_every_wrong_value_and_says_what_it_should_be(without_provider: Path) -> None:
    ended = terraform(without_provider, "plan", "-no-color", variables=REQUIRED | WRONG)
    assert ended.returncode == 1
    told = " ".join(ended.stderr.replace("│", " ").split())
    assert [name for name in WRONG if VARIABLES[name]["validation"][0]["error_message"] not in told] == []
    assert told.count("Invalid value for variable") == len(WRONG)


def test_every_validation_is_tried() -> None:
    assert {name for name, content in VARIABLES.items() if "validation" in content} == set(WRONG)


@installed("terraform")
def test_terraform_takes_the_defaults(without_provider: Path) -> None:
    ended = terraform(without_provider, "plan", "-no-color", variables=REQUIRED)
    assert ended.returncode == 0, ended.stderr
