"""deploy/cloudrun: held against Cloud Run's own schema and this program's settings.

tests/live/test_deploy.py runs it beside a node.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BeforeValidator

from tests.deployment import (
    PORT,
    Camel,
    bytes_of,
    cloud_run_schemas,
    environment_of,
    image_environment,
    is_set_for_tai,
    mistakes,
    named,
    read,
    routes,
    settings_of,
)

SERVICE = read("cloudrun/service.yaml")
REVISION = SERVICE["spec"]["template"]
ANNOTATIONS = REVISION["metadata"]["annotations"]
CONTAINERS = REVISION["spec"]["containers"]
VOLUMES = REVISION["spec"]["volumes"]
BEAMWARDEN = named(CONTAINERS, "beamwarden")
ENVIRONMENT = image_environment() | environment_of(BEAMWARDEN)


class Endpoint(Camel):
    port: Annotated[str, BeforeValidator(str)]
    path: str
    interval: Annotated[str, BeforeValidator(str)]
    timeout: str


class TargetLabels(Camel):
    metadata: list[Literal["instance", "revision", "service", "configuration"]]


class Monitored(Camel):
    endpoints: list[Endpoint]
    target_labels: TargetLabels


class RunMonitoring(Camel):
    """As the sidecar reads it, strictly: confgenerator/config.go of GoogleCloudPlatform/run-gmp-sidecar."""

    api_version: Literal["monitoring.googleapis.com/v1beta"]
    kind: Literal["RunMonitoring"]
    metadata: dict[Literal["name"], str]
    spec: Monitored


def test_the_service_is_as_cloud_run_s_api_has_it() -> None:
    schemas = cloud_run_schemas("v1")
    assert list(mistakes(SERVICE, {"$ref": "Service"}, schemas)) == []


@pytest.mark.parametrize("kind", ["Service", "Revision"])
def test_every_annotation_is_one_that_cloud_run_takes_there(kind: str) -> None:
    of = {"Service": SERVICE["metadata"]["annotations"], "Revision": ANNOTATIONS}[kind]
    description = cloud_run_schemas("v1")["ObjectMeta"]["properties"]["annotations"]["description"]
    places = dict(re.findall(r"\* `([^`]+)`: ([^*]+)", description))
    assert [name for name in of if kind not in places.get(name, "")] == []


def test_an_unknown_field_is_found() -> None:
    schemas = cloud_run_schemas("v1")
    wrong = SERVICE | {"spec": {"template": {"spec": {"containers": [{"image": "x", "livenessprobe": {}}]}}}}
    assert list(mistakes(wrong, {"$ref": "Service"}, schemas)) == [
        ".spec.template.spec.containers[0].livenessprobe: there is no such field"
    ]


def test_one_container_has_the_ingress_port() -> None:
    assert [container["name"] for container in CONTAINERS if "ports" in container] == ["tai"]


def test_processor_time_is_always_allocated() -> None:
    assert ANNOTATIONS["run.googleapis.com/cpu-throttling"] == "false"


def test_only_the_scraper_waits_and_its_target_has_a_start_up_probe() -> None:
    assert json.loads(ANNOTATIONS["run.googleapis.com/container-dependencies"]) == {"prometheus": ["beamwarden"]}
    assert "startupProbe" in BEAMWARDEN


def test_our_probe_is_of_this_program_alone_and_none_ends_the_instance() -> None:
    assert BEAMWARDEN["startupProbe"]["httpGet"] == {"path": "/livez", "port": PORT}
    assert "/livez" in routes()
    assert "livenessProbe" not in BEAMWARDEN


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda container: container["name"])
def test_a_probe_s_time_is_shorter_than_its_period(container: dict[str, dict[str, int]]) -> None:
    probe = container.get("startupProbe")
    assert probe is None or probe["timeoutSeconds"] < probe["periodSeconds"]


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda container: container["name"])
def test_every_mount_is_of_a_volume_and_no_folder_has_two(container: dict[str, list[dict[str, str]]]) -> None:
    mounts = container.get("volumeMounts", [])
    assert {mount["name"] for mount in mounts} <= {volume["name"] for volume in VOLUMES}
    assert len({mount["mountPath"] for mount in mounts}) == len(mounts)


def test_the_settings_are_those_of_this_program_and_of_tai() -> None:
    assert is_set_for_tai(settings_of(ENVIRONMENT))


def test_where_we_listen_is_where_we_are_probed_and_scraped() -> None:
    monitoring = RunMonitoring.model_validate(read("cloudrun/run-monitoring.yaml"))
    (endpoint,) = monitoring.spec.endpoints
    assert settings_of(ENVIRONMENT).listen.port == PORT == int(endpoint.port)
    assert endpoint.path in routes()
    assert monitoring.metadata["name"] == "beamwarden"  # the job of the rules in deploy/prometheus
    assert "instance" in monitoring.spec.target_labels.metadata


def test_the_files_of_the_settings_are_where_the_volumes_put_them() -> None:
    settings = settings_of(ENVIRONMENT)
    mounted = {mount["name"]: Path(mount["mountPath"]) for mount in BEAMWARDEN["volumeMounts"]}
    files = {
        mounted[volume["name"]] / item["path"]
        for volume in VOLUMES
        if "secret" in volume and volume["name"] in mounted
        for item in volume["secret"]["items"]
    }
    assert files == {settings.cookie_file, settings.tokens_file}
    assert settings.journal is not None
    assert settings.journal.parent == mounted["journal"]


def test_the_memory_limit_that_we_are_told_is_the_service_s() -> None:
    limit = named(CONTAINERS, "tai")["resources"]["limits"]["memory"]
    assert settings_of(ENVIRONMENT).service_memory_limit_bytes == bytes_of(limit)


def test_a_wrong_setting_does_not_end_the_instance() -> None:
    assert settings_of(ENVIRONMENT).stay


def test_our_own_ceiling_and_the_journal_fit_into_our_limit() -> None:
    journal = bytes_of(named(VOLUMES, "journal")["emptyDir"]["sizeLimit"])
    limit = bytes_of(BEAMWARDEN["resources"]["limits"]["memory"])
    assert settings_of(ENVIRONMENT).memory_ceiling_bytes + journal < limit


def test_secret_files_can_be_read_by_the_image_s_user_who_is_not_root() -> None:
    ours = [volume for volume in VOLUMES if volume["name"] in {"erlang-cookie", "beamwarden-tokens"}]
    assert [volume["secret"]["defaultMode"] for volume in ours] == [0o444, 0o444]
