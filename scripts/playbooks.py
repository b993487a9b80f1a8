"""Writes docs/playbooks.md anew from what the program itself has: .venv/bin/python -m scripts.playbooks

A test compares, so nothing in that page is edited by hand.
"""

from __future__ import annotations

from pathlib import Path

from collector.diagnosis.commands import COMMANDS
from collector.diagnosis.findings import Rule
from collector.diagnosis.rules import RULES
from collector.diagnosis.severity import CRITERIA, Criterion
from collector.diagnosis.shell_commands import Command, Place, fill
from collector.settings import Settings

PAGE = Path(__file__).parent.parent / "docs" / "playbooks.md"

HEAD = """\
<!-- Made by `.venv/bin/python -m scripts.playbooks` from collector/diagnosis/. -->

# The incident playbook's commands, as they are typed today

Several lines of the playbook name commands, flags, fields or metrics that do not exist, and some do something else than
is meant. Beside each stands what Beamwarden says in its place, and why. It runs none of them: they are for a person, in
a shell with `gcloud`. The lines that are Erlang are in [diagnostics.md](diagnostics.md).

Words in capitals are for you to fill in. Beamwarden fills in the service, the region, the project and the revision
where it knows them: from `cloud_service`, `cloud_region` and `cloud_project`, else from Cloud Run itself.

Each was held against Google's reference as far as we had it: that a command exists and takes these flags, that a metric
or a field has this name. Not found there were `httpRequest.latency` and all that `--container` does. None was run.
"""

CRITERIA_HEAD = """\
## Severity

The playbook's criteria, the worst first; the first that is met decides. What no machine can measure is yours to decide.
"Error rate < 1%" means above 0, or a service that is well would meet it. One percent exactly is High, and five seconds
are Medium.

| severity | criterion | decided by |
|---|---|---|"""

RULES_HEAD = """\
## Rules

What is looked for in a node and in its service, beside the four questions of the decision tree, in the order in which
findings of the same severity are told. The playbook has numbers for the error rate and for latency. All others are
ours, and settings as those are.

| rule | of | what it looks for | settings | the playbook's root causes, or error codes | commands above |
|---|---|---|---|---|---|"""


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for title, changes in (("What looks", False), ("What changes the service or its data", True)):
        parts += [f"## {title}", "", "| for | the playbook says | we say | why |", "|---|---|---|---|"]
        parts += [_row(command) for command in COMMANDS if command.changes is changes]
        parts.append("")
    parts += [CRITERIA_HEAD, *map(_criterion, CRITERIA), "", RULES_HEAD, *map(_rule, RULES), ""]
    return "\n".join(parts)


def _criterion(criterion: Criterion) -> str:
    return f"| {criterion.severity.title} | {criterion.text} | {'you' if criterion.judge is None else 'measured'} |"


def _rule(rule: Rule) -> str:
    numbers = "<br>".join(f"`{name}`: {_default(name)}" for name in rule.numbers)
    cells = (f"`{rule.name}`", rule.section, rule.looks_for, numbers, ", ".join(rule.causes), ", ".join(rule.commands))
    return f"| {' | '.join(cells)} |"


def _default(name: str) -> str:
    value = Settings.model_fields[name].default
    return (
        ", ".join(value) or "none"
        if isinstance(value, tuple)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _row(command: Command) -> str:
    said = "<br>".join(map(_code, command.playbook))
    ours = "<br>".join(map(_code, fill(command, Place())))
    return f"| {command.purpose}<br>`{command.name}`, {command.section} | {said} | {ours} | {_cell(command.why)} |"


def _code(line: str) -> str:
    return f"`{_cell(line)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
