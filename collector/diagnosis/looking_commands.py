"""The commands of the playbook that look at something and change nothing."""

from __future__ import annotations

from typing import Final

from collector.diagnosis.cloud_words import HEALTH, IN_PROJECT, IN_REGION, NO_TIMESERIES, TOKEN, URL, logs, query
from collector.diagnosis.shell_commands import AsIs, Command

LOOKING: Final[tuple[Command, ...]] = (
    Command(
        "health",
        "Quick Start",
        "What does /health say?",
        ("curl https://SERVICE_URL/health",),
        (URL, HEALTH),
        "Without `-i` the status is not shown, and without a time limit a service that hangs is waited for. Where the "
        'service is not open to all, add `-H "Authorization: Bearer $(gcloud auth print-identity-token)"`.',
    ),
    Command(
        "errors",
        "Quick Start, Playbook 1, Playbook 2",
        "The latest errors of this service",
        (
            'gcloud logging read "severity=ERROR" --limit=20',
            'gcloud logging read --limit=50 --filter="severity>=ERROR"',
        ),
        (logs("severity>=ERROR", 50),),
        "`severity=ERROR` leaves out what is worse, and reads all services of the project. There is no flag "
        "`--filter`: "
        "the filter is an argument. `--freshness` is a day unless it is said.",
    ),
    Command(
        "error_rate",
        "Quick Start, Playbook 2",
        "The error rate of the last five minutes",
        (
            "gcloud monitoring timeseries list --limit=10",
            "gcloud monitoring timeseries list "
            "--filter='metric.type=\"custom.googleapis.com/tai_http_requests_total\"'",
        ),
        (
            query(
                "sum(rate(run_googleapis_com:request_count{"
                'monitored_resource="cloud_run_revision",service_name="{service}",response_code_class="5xx"}[5m]))'
                " / sum(rate(run_googleapis_com:request_count{"
                'monitored_resource="cloud_run_revision",service_name="{service}"}[5m]))'
            ),
        ),
        NO_TIMESERIES
        + "Cloud Run counts requests by itself, also where the service exports no metrics: Monitoring is asked "
        "in PromQL.",
    ),
    Command(
        "error_codes",
        "Playbook 2",
        "Which errors are they?",
        ("gcloud logging read \"severity=ERROR\" --format='table(jsonPayload.error_code, textPayload)' --limit=100",),
        (
            logs(
                "severity>=ERROR",
                100,
                "--format=table(timestamp, httpRequest.status, jsonPayload.error_code, jsonPayload.reason, "
                "textPayload)",
            ),
        ),
        "It is valid, but reads all services of the project. The status and the reason are what the four "
        "categories are "
        "told by.",
    ),
    Command(
        "validation_errors",
        "Playbook 2, category 1",
        "Samples of validation errors (400)",
        ("gcloud logging read 'jsonPayload.reason=~\"invalid.*\"' --limit=10",),
        (logs('(httpRequest.status=400 OR jsonPayload.reason=~"invalid|missing_field")', 10),),
        "`missing_field` is one of the category's errors, and does not match `invalid.*`. Cloud Run's own request log "
        "has the status whatever the service writes.",
    ),
    Command(
        "business_errors",
        "Playbook 2, category 2",
        "Samples of business logic errors (422)",
        ("gcloud logging read 'jsonPayload.type=\"refusal\"' --limit=10",),
        (logs('(httpRequest.status=422 OR jsonPayload.type="refusal")', 10),),
        "It is valid, but reads all services of the project.",
    ),
    Command(
        "service_errors",
        "Playbook 2, category 3",
        "Samples of service errors (503)",
        ("gcloud logging read 'jsonPayload.reason=\"service_unavailable\"' --limit=10",),
        (
            logs(
                "(httpRequest.status=503 OR "
                'jsonPayload.reason=~"service_unavailable|firestore_error|governor_not_ready")',
                10,
            ),
        ),
        "It is valid, but finds one of the category's three errors, and reads all services of the project.",
    ),
    Command(
        "timeout_errors",
        "Playbook 2, category 4",
        "Samples of timeouts (504)",
        ("gcloud logging read 'httpRequest.status=504' --limit=10",),
        (logs("httpRequest.status=504", 10),),
        "It is valid, but reads all services of the project.",
    ),
    Command(
        "firestore",
        "Decision tree, Playbook 2",
        "Is Firestore there, and does it answer?",
        ("gcloud firestore databases describe",),
        (
            ("gcloud", "firestore", "databases", "describe", "--database=(default)", IN_PROJECT),
            logs('severity>=WARNING AND (jsonPayload.message:"firestore" OR textPayload:"firestore")', 20),
        ),
        "It is valid and tells how the database is set up, not whether it answers; what the service writes of it does.",
    ),
    Command(
        "permissions",
        "Playbook 2",
        "Which roles has the account that the service runs as?",
        ("gcloud projects get-iam-policy PROJECT_ID",),
        (
            (
                *("gcloud", "run", "services", "describe", "{service}", IN_REGION, IN_PROJECT),
                "--format=value(spec.template.spec.serviceAccountName)",
            ),
            (
                *("gcloud", "projects", "get-iam-policy", "{project}", "--flatten=bindings[].members"),
                *("--filter=bindings.members:SERVICE_ACCOUNT", "--format=value(bindings.role)"),
            ),
        ),
        "It is valid and prints the roles of everybody.",
    ),
    Command(
        "latency",
        "Playbook 3",
        "The 99th percentile of the last five minutes, in milliseconds",
        (
            "gcloud monitoring timeseries list "
            "--filter='metric.type=\"custom.googleapis.com/tai_http_request_duration_seconds\"'",
        ),
        (
            query(
                "histogram_quantile(0.99, sum by (le) (rate(run_googleapis_com:request_latencies_bucket{"
                'monitored_resource="cloud_run_revision",service_name="{service}"}[5m])))'
            ),
        ),
        NO_TIMESERIES + "Cloud Run measures latencies by itself.",
    ),
    Command(
        "slow_requests",
        "Playbook 3",
        "Which requests take longer than a second?",
        ("gcloud logging read 'duration_ms > 1000' --limit=20",),
        (
            logs(
                '(httpRequest.latency>"1s" OR jsonPayload.duration_ms>1000)',
                20,
                "--format=table(timestamp, httpRequest.latency, httpRequest.requestMethod, httpRequest.requestUrl)",
            ),
        ),
        "A log entry has no field `duration_ms`: what the service writes is below `jsonPayload`. Cloud Run's "
        "request log "
        "has `httpRequest.latency` of every request.",
    ),
    Command(
        "firestore_latency",
        "Playbook 3",
        "How long does Firestore take, 99th percentile, in seconds?",
        ("gcloud monitoring timeseries list --filter='metric.type=\"firestore.googleapis.com/operation_latency\"'",),
        (
            query(
                "histogram_quantile(0.99, sum by (le) "
                "(rate(firestore_googleapis_com:api_request_latencies_bucket[5m])))"
            ),
        ),
        NO_TIMESERIES + "Nor is there a metric `operation_latency`: it is `api/request_latencies`.",
    ),
    Command(
        "firestore_quotas",
        "Playbook 3",
        "Has Firestore refused anything for a quota?",
        ("gcloud firestore admin indexes list",),
        (
            logs(
                '(jsonPayload.message:"RESOURCE_EXHAUSTED" OR textPayload:"RESOURCE_EXHAUSTED")',
                10,
            ),
            ("gcloud", "firestore", "indexes", "composite", "list", "--database=(default)", IN_PROJECT),
        ),
        "There is no group `admin`, and indexes say nothing of quotas. What Firestore refuses for one is called "
        "RESOURCE_EXHAUSTED. The second line is what the playbook's meant to list.",
    ),
    Command(
        "memory_trend",
        "Playbook 4",
        "How much of its memory limit does each revision use?",
        ("gcloud monitoring timeseries list --filter='metric.type=\"run.googleapis.com/memory_utilization\"'",),
        (
            query(
                "histogram_quantile(0.99, sum by (le, revision_name) "
                "(rate(run_googleapis_com:container_memory_utilizations_bucket{"
                'monitored_resource="cloud_run_revision",service_name="{service}"}[5m])))'
            ),
        ),
        NO_TIMESERIES + "The metric is `container/memory/utilizations`, 1 being the limit.",
    ),
    Command(
        "memory_kills",
        "Playbook 4",
        "Was an instance killed since its memory was full?",
        ('gcloud logging read "exit_code=137" --limit=10',),
        (logs('(textPayload:"Memory limit of" OR textPayload:"signal 9" OR textPayload:"exit(137)")', 10),),
        "A log entry has no field `exit_code`. Cloud Run writes `Memory limit of … exceeded with … used`.",
    ),
    Command(
        "watch",
        "Quick Recovery",
        "Watch whether it is well again",
        ("watch -n 5 'gcloud run metrics'", "watch -n 5 'curl -s https://SERVICE_URL/health'"),
        (URL, ("watch", "-n", "5", AsIs('"curl -sS -i --max-time 4 $SERVICE_URL/health"'))),
        "`gcloud run` has no `metrics`. `beamwarden diagnose --watch` shows the node and the service together.",
    ),
    Command(
        "backups",
        "Database Recovery",
        "Which backups are there?",
        ("gcloud firestore backups list",),
        (
            (
                "gcloud",
                "firestore",
                "backups",
                "list",
                "--format=table(name, database, snapshotTime, state)",
                IN_PROJECT,
            ),
        ),
        "It is valid. With the time and the full name, which the restore wants.",
    ),
    Command(
        "verify_data",
        "Database Recovery",
        "Look at five receipts",
        ("gcloud firestore documents list --collection-id=receipts --limit=5",),
        (
            (
                *("curl", "-sS", "-H", TOKEN),
                "https://firestore.googleapis.com/v1/projects/{project}/databases/NEW_DATABASE/documents/receipts?pageSize=5",
            ),
        ),
        "`gcloud firestore` has no `documents`. Firestore's own interface lists them.",
    ),
)
