"""What the commands for a person are made of: the ways in which gcloud and Google's interfaces are asked."""

from __future__ import annotations

from typing import Final

from collector.diagnosis.shell_commands import AsIs, Line

OF_SERVICE: Final = 'resource.type="cloud_run_revision" AND resource.labels.service_name="{service}"'
IN_PROJECT: Final = "--project={project}"
IN_REGION: Final = "--region={region}"
TOKEN: Final = AsIs('"Authorization: Bearer $(gcloud auth print-access-token)"')
PROMETHEUS: Final = "https://monitoring.googleapis.com/v1/projects/{project}/location/global/prometheus/api/v1/query"


def logs(condition: str, limit: int, *more: str) -> Line:
    """Read the service's log entries that are so: of the last hour, or of that of an end."""
    chosen = f"{OF_SERVICE} AND {condition}{{within}}"
    return ("gcloud", "logging", "read", chosen, "{freshness}", f"--limit={limit}", *more, IN_PROJECT)


def query(promql: str) -> Line:
    """Ask Cloud Monitoring in PromQL, for now or for the time of an end."""
    return ("curl", "-sS", "-G", "-H", TOKEN, PROMETHEUS, "{flag}", "{time}", "--data-urlencode", f"query={promql}")


def update(*flags: str) -> Line:
    """Change the service's own settings, which makes a new revision of it."""
    return ("gcloud", "run", "services", "update", "{service}", IN_REGION, IN_PROJECT, *flags)


def traffic(target: str) -> Line:
    """Say which revisions get requests."""
    return ("gcloud", "run", "services", "update-traffic", "{service}", IN_REGION, IN_PROJECT, target)


REVISIONS: Final = (
    "gcloud",
    "run",
    "revisions",
    "list",
    "--service={service}",
    IN_REGION,
    IN_PROJECT,
    "--sort-by=~metadata.creationTimestamp",
    "--limit=5",
)
SERVES: Final = (
    *("gcloud", "run", "services", "describe", "{service}", IN_REGION, IN_PROJECT),
    "--format=yaml(status.traffic)",
)
HEALTH: Final = (
    "curl",
    *("-sS", "-i", "--max-time", "5"),
    AsIs('"$SERVICE_URL/health"'),
)
URL: Final = (
    AsIs("SERVICE_URL=$(gcloud run services describe"),
    "{service}",
    IN_REGION,
    IN_PROJECT,
    AsIs("--format='value(status.url)')"),
)
NOT_A_SHELL: Final = (
    "`export` sets a variable of the shell that it is typed in, and changes nothing in Cloud Run. With a sidecar the "
    "service has several containers, so `--container` says which one is meant."
)
NO_TIMESERIES: Final = "`gcloud monitoring` has dashboards, policies, snoozes and uptime, and no `timeseries`. "
