"""Logs as they are left behind: lines of ours, and what Google's log makes of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

BEGAN = datetime(2026, 11, 23, 3, 0, 0, tzinfo=UTC)
MIB = 1024 * 1024
INSTANCE = "00f46b92"


def line(seconds: float, message: str, **facts: object) -> dict[str, object]:
    """Make a line of ours, so many seconds after the beginning."""
    at = (BEGAN + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
    return {"severity": "INFO", "time": at, "message": message, "logger": "collector.vitals"} | facts


def vitals(seconds: float, share: float | None, **facts: object) -> dict[str, object]:
    """Make a line of vital signs, of a node with a limit of 512 MiB."""
    of_limit = {} if share is None else {"memory_limit_share": share, "memory_limit_bytes": 512 * MIB}
    used = {"memory_total_bytes": round((share or 0.1) * 400 * MIB), "processes": 412, "run_queue_length": 0}
    about = {"erlang_node": "tai@127.0.0.1", "instance_id": INSTANCE, "creation": 7}
    return line(seconds, "vital signs", **{**about, **used, **of_limit, **facts})


def box(seconds: float, *reasons: tuple[str, str], **facts: object) -> dict[str, object]:
    """Make a line of the black box."""
    told = [{"kind": kind, "what": what} for kind, what in reasons]
    about = {"erlang_node": "tai@127.0.0.1", "instance_id": INSTANCE, "creation": 7}
    return line(seconds, "black box", **{"black_box": 1, "reasons": told, **about, **facts})


FULL_BOX = box(
    540,
    ("memory", "95% of the memory limit is taken, above 95%"),
    memory_limit_share=0.955,
    growth={
        "pattern": "gradual",
        "points": 60,
        "rise_bytes": 300 * MIB,
        "since_seconds": 540.0,
        "per_minute_bytes": 33 * MIB,
        "kinds": [{"kind": "ets", "rise_bytes": 280 * MIB, "share": 0.93, "pattern": "gradual"}],
    },
    top_processes=[{"pid": "<0.111.0>", "name": "receipt_store", "memory_bytes": 4 * MIB, "queue": 0}],
    top_tables=[{"name": "receipt_ledger", "rows": 900_000, "memory_bytes": 290 * MIB}],
    findings=[
        {
            "rule": "memory_grows",
            "section": "Playbook 4",
            "severity": "high",
            "sentence": "memory grows gradually, by 300 MiB within 9 min: mostly ets (93%)",
            "since_seconds": 540.0,
            "causes_that_fit": ["ETS table growing without limit"],
            "steps": ["beamwarden ets --sort memory"],
            "commands": ["memory_trend", "smaller_buffers"],
        }
    ],
)


def as_text(*lines: dict[str, object]) -> str:
    """Write lines of ours as the collector does."""
    return "".join(json.dumps(each) + "\n" for each in lines)


def entry(of_line: dict[str, object], instance: str = INSTANCE) -> dict[str, object]:
    """Make of a line of ours what Google's log keeps of it."""
    payload = {name: value for name, value in of_line.items() if name not in {"severity", "time"}}
    return _entry(of_line["time"], instance) | {"jsonPayload": payload}


def platform(seconds: float, text: str, instance: str = INSTANCE) -> dict[str, object]:
    """Make an entry that Cloud Run itself has written."""
    return _entry((BEGAN + timedelta(seconds=seconds)).isoformat(), instance) | {"textPayload": text}


def _entry(at: object, instance: str) -> dict[str, object]:
    return {
        "timestamp": at,
        "labels": {"instanceId": instance},
        "resource": {
            "type": "cloud_run_revision",
            "labels": {
                "service_name": "tai-autonomics",
                "revision_name": "tai-autonomics-00042-abc",
                "location": "europe-west1",
                "project_id": "acme-prod",
            },
        },
    }


def as_google(*entries: dict[str, object]) -> str:
    """Print entries as gcloud does: an array, the newest first."""
    return json.dumps(sorted(entries, key=lambda each: str(each["timestamp"]), reverse=True), indent=2)
