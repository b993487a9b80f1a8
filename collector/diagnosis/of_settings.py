"""What the settings and Cloud Run say of the service, for those who ask it and for commands."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from agent.probes.memory_limit import MemoryLimit
from collector.cloud import CloudPlace
from collector.diagnosis.history import History
from collector.diagnosis.service import Service
from collector.diagnosis.service_facts import NotKnown
from collector.diagnosis.shell_commands import Place
from collector.settings import Address, Settings


@dataclass(frozen=True, slots=True)
class KnownLimit:
    """The memory limit that is reached first, who says so, and what counts against it: None when it is not known."""

    limit_bytes: int
    source: str
    needed_bytes: int | None

    @property
    def left_bytes(self) -> int | None:
        """What may still be taken."""
        return None if self.needed_bytes is None else max(0, self.limit_bytes - self.needed_bytes)

    @property
    def share(self) -> float | None:
        """How much of it is taken, 1 being all."""
        return None if self.needed_bytes is None else self.needed_bytes / self.limit_bytes


def service_of(settings: Settings, node_host: str) -> Service | NotKnown:
    """Say where the service of a node on that host is asked.

    What nobody has set is this machine's, where the sidecar is. A node elsewhere has its service elsewhere.
    """
    if settings.service_url is None:
        return NotKnown("service_url is none: there is no service to ask")
    if "service_url" not in settings.model_fields_set and not _is_here(node_host):
        return NotKnown(f"the node is on {node_host}, and service_url does not say where its service is")
    history = None
    if settings.prometheus_url is not None:
        history = History(settings.prometheus_url, settings.prometheus_selector)
    return Service(settings.service_url, history, least_requests=settings.diagnosis_least_requests)


def _is_here(host: str) -> bool:
    return Address(host, 0).is_loopback or host.partition(".")[0] == socket.gethostname().partition(".")[0]


def place_of(settings: Settings, cloud: CloudPlace) -> Place:
    """Say where the service runs. What is set outranks what Cloud Run says; the rest stays a placeholder."""
    unknown = Place()
    return Place(
        settings.cloud_service or cloud.service or unknown.service,
        settings.cloud_region or cloud.region or unknown.region,
        settings.cloud_project or cloud.project or unknown.project,
        cloud.revision or unknown.revision,
    )


def limit_of(settings: Settings, found: MemoryLimit | NotKnown) -> KnownLimit | NotKnown:
    """Say which memory limit counts: the nearest that the node itself tells, else the one that is set.

    A machine's memory is not the container's: where that is all that the node sees, what is set outranks it.
    """
    of_setting = settings.service_memory_limit_bytes
    nearest = None if isinstance(found, NotKnown) else found.nearest
    if nearest is not None and (of_setting is None or not nearest.is_the_machine_s):
        return KnownLimit(nearest.limit_bytes, f"{nearest.source}, {nearest.file}", nearest.needed_bytes)
    if of_setting is not None:
        resident_bytes = None if isinstance(found, NotKnown) else found.resident_bytes
        return KnownLimit(of_setting, "service_memory_limit_bytes", resident_bytes)
    if isinstance(found, NotKnown):
        return found
    return NotKnown("; ".join(found.not_known) or "the node sees no limit of its memory")
