"""What the playbook has people type, as it is typed today: each with what the playbook says, and why we say otherwise.

Each was held against the reference of gcloud, https://cloud.google.com/sdk/gcloud/reference, of the Logging query
language, of the metrics that Google Cloud has, and of the HTTP interfaces of Monitoring and Firestore. That a command
exists and takes these flags is known from there; none of them was run.
"""

from __future__ import annotations

from typing import Final

from collector.diagnosis.changing_commands import CHANGING
from collector.diagnosis.looking_commands import LOOKING
from collector.diagnosis.shell_commands import Command

COMMANDS: Final[tuple[Command, ...]] = (*LOOKING, *CHANGING)
BY_NAME: Final = {command.name: command for command in COMMANDS}
