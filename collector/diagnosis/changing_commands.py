"""The commands of the playbook that change the service or its data. A person decides."""

from __future__ import annotations

from typing import Final

from collector.diagnosis.cloud_words import IN_PROJECT, IN_REGION, NOT_A_SHELL, REVISIONS, SERVES, traffic, update
from collector.diagnosis.shell_commands import AsIs, Command

CHANGING: Final[tuple[Command, ...]] = (
    Command(
        "more_instances",
        "Playbook 2, Playbook 3",
        "Let Cloud Run start more instances",
        ("gcloud run deploy tai-autonomics --max-instances=100",),
        (update("--max-instances=100"),),
        "`gcloud run deploy` without an image deploys the source in the current folder. `services update` changes the "
        "setting alone.",
        changes=True,
    ),
    Command(
        "more_workers",
        "Playbook 2, Playbook 3",
        "A larger pool of actions",
        ("export ACTION_POOL_SIZE=50",),
        (update("--container=CONTAINER", "--update-env-vars=ACTION_POOL_SIZE=50"),),
        NOT_A_SHELL,
        changes=True,
    ),
    Command(
        "smaller_buffers",
        "Playbook 3, Playbook 4",
        "Keep fewer receipts in memory, and store them more often",
        ("export RECEIPT_BUFFER_SIZE=1000", "export RECEIPT_FLUSH_INTERVAL_MS=100"),
        (
            update(
                "--container=CONTAINER",
                "--update-env-vars=RECEIPT_BUFFER_SIZE=1000,RECEIPT_FLUSH_INTERVAL_MS=100",
            ),
        ),
        NOT_A_SHELL,
        changes=True,
    ),
    Command(
        "more_memory",
        "Playbook 3",
        "A larger memory limit",
        ("gcloud run deploy tai-autonomics --memory=4Gi",),
        (update("--container=CONTAINER", "--memory=4Gi"),),
        "As with `--max-instances`: `deploy` without an image deploys the source in the current folder. All containers "
        "of an instance together need as much processor as their memory asks for.",
        changes=True,
    ),
    Command(
        "restart_service",
        "Playbook 1, Quick Recovery",
        "Start the service anew, as it is",
        (
            "gcloud run deploy tai-autonomics --image IMAGE_URI",
            "gcloud run deploy tai-autonomics --image IMAGE_URI --no-traffic",
            "gcloud run services update-traffic tai-autonomics --to-revisions NEW=100",
        ),
        (
            (
                *("gcloud", "run", "services", "update", "{service}", IN_REGION, IN_PROJECT, "--no-traffic"),
                *("--container=CONTAINER", AsIs('--update-env-vars="RESTARTED_AT=$(date -u +%FT%TZ)"')),
            ),
            traffic("--to-latest"),
        ),
        "An image that is named by a tag may be another one by now, and then it is a deployment. A revision named NEW "
        "does not exist; `--to-latest` also undoes that a rollback has bound all traffic to one revision.",
        changes=True,
    ),
    Command(
        "rollback",
        "Critical, Playbook 1, Full Rollback",
        "Give all traffic to a revision that worked",
        (
            "PREV=$(gcloud run revisions list --service=tai-autonomics --format='value(name)' --limit=2 | tail -1)",
            "PREV=$(gcloud run revisions list --service=tai-autonomics --format='value(name)' --limit=5 | grep -v "
            "$(gcloud run services describe tai-autonomics --format='value(status.latestReadyRevision)'))",
            "gcloud run services update-traffic tai-autonomics --to-revisions $PREV=100",
        ),
        (REVISIONS, SERVES, traffic("--to-revisions=PREVIOUS_REVISION=100")),
        "The last but one by age is not the last that worked. The second line can give four names, and there is "
        "no field "
        "`status.latestReadyRevision`: it is called `latestReadyRevisionName`. So a person looks at the list, "
        "and at what "
        "serves now, and chooses. From then on new deployments get no traffic until `--to-latest` is said.",
        changes=True,
    ),
    Command(
        "restore",
        "Database Recovery",
        "Restore a backup into a new database",
        ("gcloud firestore restore BACKUP_ID --database=default",),
        (
            (
                *("gcloud", "firestore", "databases", "restore", IN_PROJECT),
                "--source-backup=projects/{project}/locations/LOCATION/backups/BACKUP_ID",
                "--destination-database=NEW_DATABASE",
            ),
        ),
        "The command is `databases restore`, and it makes a new database: one that exists cannot be its destination. "
        "The service has to be told of the new one afterwards.",
        changes=True,
    ),
)
