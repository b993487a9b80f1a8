"""deploy/kubernetes: held against Kubernetes' own types, and applied with the real kubectl where there is one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
import yaml
from lightkube.models.apps_v1 import Deployment
from lightkube.models.core_v1 import PodSpec

from tests.deployment import (
    DEPLOY,
    PORT,
    USER,
    Camel,
    bytes_of,
    environment_of,
    image_environment,
    installed,
    is_set_for_tai,
    named,
    read,
    routes,
    settings_of,
)

PATCH = read("kubernetes/sidecar.yaml")
MONITOR = read("kubernetes/pod-monitor.yaml")
POD = PATCH["spec"]["template"]["spec"]
BEAMWARDEN = named(POD["initContainers"], "beamwarden")

SERVICE = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: tai
  labels: {app.kubernetes.io/name: tai-autonomics}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: tai-autonomics}}
  template:
    metadata: {labels: {app.kubernetes.io/name: tai-autonomics}}
    spec:
      initContainers: [{name: migrate, image: tai}]
      containers: [{name: tai, image: tai, volumeMounts: [{name: data, mountPath: /data}]}]
      volumes: [{name: data, emptyDir: {}}]
"""
OTHER = SERVICE.replace("tai-autonomics", "other").replace("name: tai", "name: other")
OVERLAY = {
    "resources": ["service.yaml", "other.yaml"],
    "components": ["beamwarden"],
    "images": [{"name": "beamwarden", "newName": "registry.example/beamwarden", "newTag": "1"}],
}

needs_kubectl = installed("kubectl")


def unknown(value: object, understood: object, place: str = "") -> Iterator[str]:
    """Say what of a value is lost when it is read and written again."""
    if isinstance(value, dict) and isinstance(understood, dict):
        for name, inner in value.items():
            if name in understood:
                yield from unknown(inner, understood[name], f"{place}.{name}")
            else:
                yield f"{place}.{name}: there is no such field"
    elif isinstance(value, list) and isinstance(understood, list):
        for number, (inner, of_it) in enumerate(zip(value, understood, strict=True)):
            yield from unknown(inner, of_it, f"{place}[{number}]")
    elif value != understood:
        yield f"{place}: {value!r} is read as {understood!r}"


def mistakes(value: object, kind: type[msgspec.Struct]) -> list[str]:
    """Hold a value against a type of Kubernetes. Raises `msgspec.ValidationError` for values of another kind."""
    return list(unknown(value, msgspec.to_builtins(msgspec.convert(value, kind))))


class Relabeling(Camel):
    target_label: str
    replacement: str


class PodMetricsEndpoint(Camel):
    port: str
    path: str
    interval: str
    scrape_timeout: str
    relabelings: list[Relabeling]


class Selector(Camel):
    match_labels: dict[str, str]


class PodMonitorSpec(Camel):
    selector: Selector
    pod_metrics_endpoints: list[PodMetricsEndpoint]


class PodMonitor(Camel):
    """What is used of https://prometheus-operator.dev/docs/api-reference/api/#monitoring.coreos.com/v1.PodMonitor."""

    api_version: Literal["monitoring.coreos.com/v1"]
    kind: Literal["PodMonitor"]
    metadata: dict[Literal["name"], str]
    spec: PodMonitorSpec


def test_the_patch_is_of_kubernetes_types() -> None:
    assert mistakes(POD | {"containers": [{"name": "tai"}]}, PodSpec) == []
    assert PATCH == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "any"},
        "spec": {"template": {"spec": POD}},
    }


def test_an_unknown_field_is_found() -> None:
    wrong = {"containers": [{"name": "tai", "livenessprobe": {}}]}
    assert mistakes(wrong, PodSpec) == [".containers[0].livenessprobe: there is no such field"]


def test_it_is_a_sidecar_that_nothing_waits_for() -> None:
    assert BEAMWARDEN["restartPolicy"] == "Always"
    assert {"startupProbe", "readinessProbe"} & set(BEAMWARDEN) == set()


def test_it_may_nothing_but_run() -> None:
    assert BEAMWARDEN["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_the_secret_is_readable_by_the_group_of_the_image_s_user_alone() -> None:
    assert named(POD["volumes"], "beamwarden-secrets")["secret"]["defaultMode"] == 0o440
    assert POD["securityContext"]["fsGroup"] == USER


def test_the_settings_are_those_of_this_program_and_of_tai() -> None:
    settings = settings_of(image_environment() | environment_of(BEAMWARDEN))
    assert is_set_for_tai(settings)
    assert settings.listen.port == PORT


def test_what_it_writes_lies_in_memory() -> None:
    settings = settings_of(image_environment() | environment_of(BEAMWARDEN))
    mounted = {mount["mountPath"]: named(POD["volumes"], mount["name"]) for mount in BEAMWARDEN["volumeMounts"]}
    assert settings.journal is not None
    assert settings.shell_token_file is not None
    for file in (settings.journal, settings.shell_token_file):
        assert mounted[str(file.parent)]["emptyDir"]["medium"] == "Memory"


def test_our_own_ceiling_and_what_lies_in_memory_fit_into_our_limit() -> None:
    settings = settings_of(image_environment() | environment_of(BEAMWARDEN))
    volumes = sum(bytes_of(volume["emptyDir"]["sizeLimit"]) for volume in POD["volumes"] if "emptyDir" in volume)
    assert settings.memory_ceiling_bytes + volumes < bytes_of(BEAMWARDEN["resources"]["limits"]["memory"])


def test_what_is_probed_and_scraped_is_there() -> None:
    monitor = PodMonitor.model_validate(MONITOR)
    (port,) = BEAMWARDEN["ports"]
    (endpoint,) = monitor.spec.pod_metrics_endpoints
    probe = BEAMWARDEN["livenessProbe"]["httpGet"]
    assert port == {"name": "beamwarden", "containerPort": PORT}
    assert probe["port"] == endpoint.port == port["name"]
    assert {probe["path"], endpoint.path} <= routes()


def test_the_pods_that_are_scraped_are_those_that_are_patched() -> None:
    (patch,) = read("kubernetes/kustomization.yaml")["patches"]
    name, _, value = patch["target"]["labelSelector"].partition("=")
    assert PodMonitor.model_validate(MONITOR).spec.selector.match_labels == {name: value}


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder: Path = tmp_path_factory.mktemp("overlay")
    shutil.copytree(DEPLOY / "kubernetes", folder / "beamwarden")
    (folder / "service.yaml").write_text(SERVICE)
    (folder / "other.yaml").write_text(OTHER)
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(OVERLAY))
    command = ["kubectl", "kustomize", str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in yaml.safe_load_all(ended.stdout)}


@needs_kubectl
def test_kubectl_adds_it_to_the_service_and_to_nothing_else(applied: dict[str, dict[str, Any]]) -> None:
    assert set(applied) == {"Deployment/tai", "Deployment/other", "PodMonitor/beamwarden"}
    assert applied["Deployment/other"] == yaml.safe_load(OTHER)


@needs_kubectl
def test_what_comes_of_it_is_the_service_with_a_sidecar(applied: dict[str, dict[str, Any]]) -> None:
    deployment = applied["Deployment/tai"]
    pod = deployment["spec"]["template"]["spec"]
    own = yaml.safe_load(SERVICE)["spec"]["template"]["spec"]
    assert mistakes(deployment, Deployment) == []
    assert pod["containers"] == own["containers"]
    assert named(pod["initContainers"], "migrate") == named(own["initContainers"], "migrate")
    assert named(pod["volumes"], "data") == named(own["volumes"], "data")
    assert named(pod["initContainers"], "beamwarden") == BEAMWARDEN | {"image": "registry.example/beamwarden:1"}
