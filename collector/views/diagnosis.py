"""The diagnosis: how severe it is, which branch of the playbook's tree is taken, what was found, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from pydantic import BaseModel, Field

from collector.diagnosis.commands import BY_NAME
from collector.diagnosis.decision_tree import Answer, Step
from collector.diagnosis.diagnosing import Diagnosis, NodeDiagnosis
from collector.diagnosis.findings import Finding
from collector.diagnosis.service_facts import NotKnown
from collector.diagnosis.severity import Criterion, Severity
from collector.diagnosis.shell_commands import Place, fill, placeholders
from collector.models import ProbeAnswer
from collector.views import Query


class DiagnosisQuery(Query):
    """Parameters of ``/diagnosis``."""


class CriterionRow(BaseModel):
    """One of the playbook's criteria for a severity that would be worse than the one that was found."""

    severity: str = Field(examples=["critical"])
    criterion: str = Field(examples=["Data loss occurring"])
    why: str | None = Field(
        description="Why nobody knows; null: no machine can measure it, you decide.",
        examples=["only 12 requests were seen within 2 s, of 100 that are needed"],
    )

    @classmethod
    def of(cls, criterion: Criterion, why: str | None) -> Self:
        """Take it out of the playbook."""
        return cls(severity=criterion.severity.word, criterion=criterion.text, why=why)


class SeverityRow(BaseModel):
    """How severe it is by the playbook, and what decided that."""

    level: int | None = Field(
        description="1 to 4, as in SEV-1; null: no criterion is met and nothing was found.", examples=[1]
    )
    name: str | None = Field(examples=["critical"])
    title: str = Field(examples=["Critical (SEV-1)"])
    criterion: str | None = Field(examples=["Service completely down (health check failing)"])
    evidence: str | None = Field(examples=["/health: 503 supervisor governance_sup not running"])
    not_known: list[CriterionRow] = Field(description="Would be worse, and nobody knows.")
    you_decide: list[CriterionRow] = Field(description="Would be worse, and only a person can say.")


class StepRow(BaseModel):
    """One question of the playbook's decision tree."""

    question: str = Field(examples=["Health check failing?"])
    answer: Answer = Field(examples=["yes"])
    evidence: str = Field(
        description="What the answer follows from, or why it is not known.",
        examples=["/health: 503 supervisor governance_sup not running"],
    )
    leads_to: str = Field(description="What it is when the answer is yes.", examples=["Supervisor issue"])
    section: str = Field(examples=["Playbook 1"])
    commands: list[str] = Field(description="Of `commands`, in the playbook's order.", examples=[["errors"]])

    @classmethod
    def of(cls, step: Step) -> Self:
        """Take it out of the tree. Only the branches that are taken lead to commands."""
        return cls(
            question=step.question,
            answer=step.answer,
            evidence=step.evidence,
            leads_to=step.leads_to,
            section=step.section,
            commands=list(step.commands) if step.answer is Answer.YES else [],
        )


class FindingRow(BaseModel):
    """One thing that is wrong."""

    rule: str = Field(examples=["mailbox_long"])
    section: str = Field(description="Of the playbook.", examples=["Playbook 4"])
    severity: str = Field(examples=["high"])
    sentence: str = Field(examples=["120000 messages wait for receipt_store"])
    since_seconds: float | None = Field(
        description="For how long, as the trend tells; null: not known.", examples=[720.0]
    )
    evidence: list[str] = Field(examples=[["pid <0.123.0>, running, in lists:sort/1"]])
    causes_that_fit: list[str] = Field(
        description="The playbook's root causes.", examples=[["Process accumulating messages"]]
    )
    causes_excluded: list[str] = Field(description="Those that the evidence rules out.", examples=[[]])
    causes_open: list[str] = Field(description="Those that may be, or may not.", examples=[[]])
    steps: list[str] = Field(
        description="Commands of ours, in their order.", examples=[["beamwarden process receipt_store"]]
    )
    commands: list[str] = Field(description="Of `commands`, in their order.", examples=[["errors"]])

    @classmethod
    def of(cls, finding: Finding) -> Self:
        """Take it out of what was found."""
        rule, seen = finding.rule, finding.seen
        decided = {*seen.fits, *seen.excluded}
        return cls(
            rule=rule.name,
            section=rule.section,
            severity=seen.severity.word,
            sentence=seen.sentence,
            since_seconds=None if seen.since_seconds is None else round(seen.since_seconds, 1),
            evidence=list(seen.evidence),
            causes_that_fit=list(seen.fits),
            causes_excluded=list(seen.excluded),
            causes_open=[cause for cause in rule.causes if cause not in decided],
            steps=list(seen.steps),
            commands=list(rule.commands),
        )


class CommandRow(BaseModel):
    """What a person may run. We run none of these."""

    name: str = Field(examples=["errors"])
    purpose: str = Field(examples=["The latest errors of this service"])
    lines: list[str] = Field(examples=[["gcloud logging read ..."]])
    changes: bool = Field(description="Whether it changes the service, and does not only look.", examples=[False])
    fill_in: list[str] = Field(description="What only you know, in capitals in the lines.", examples=[["REGION"]])

    @classmethod
    def of(cls, name: str, place: Place) -> Self:
        """Fill in what is known of the place."""
        command = BY_NAME[name]
        lines = fill(command, place)
        return cls(
            name=name,
            purpose=command.purpose,
            lines=list(lines),
            changes=command.changes,
            fill_in=list(placeholders(lines)),
        )


class NotLookedAt(BaseModel):
    """A rule that could not look."""

    rule: str = Field(examples=["memory_near_limit"])
    why: str = Field(examples=["the node sees no limit of its memory"])


class DiagnosisAnswer(ProbeAnswer):
    """The playbook, held against all that is known of the node and of its service."""

    severity: SeverityRow
    branch: str | None = Field(
        description="The first question that is answered with yes; null: none is.", examples=["Health check failing?"]
    )
    tree: list[StepRow]
    findings: list[FindingRow] = Field(description="The worst first.")
    not_looked_at: list[NotLookedAt] = Field(description="What could not be found, since what it needs is not known.")
    service_source: str = Field(
        description="Where the figures of the service were read.", examples=["http://127.0.0.1:8080/metrics"]
    )
    commands: list[CommandRow] = Field(description="What the branch and the findings name, each once.")

    @property
    def level(self) -> Severity | None:
        """How severe it is."""
        return None if self.severity.level is None else Severity(self.severity.level)

    @classmethod
    def of(cls, told: NodeDiagnosis) -> Self:
        """Make the answer. That something is not known is no failure, and said in its place."""
        diagnosis, snapshot = told.diagnosis, told.snapshot
        probes = [*snapshot.outcomes, *snapshot.shared]
        return cls.model_validate(
            ProbeAnswer.head_of(snapshot, probes, list(_left_out(diagnosis)))
            | {
                "severity": _severity(diagnosis),
                "branch": branch.question if (branch := diagnosis.walk.branch) else None,
                "tree": [StepRow.of(step) for step in diagnosis.walk.steps],
                "findings": [FindingRow.of(finding) for finding in diagnosis.findings.found],
                "not_looked_at": [NotLookedAt(rule=rule.name, why=why) for rule, why in diagnosis.findings.not_known],
                "service_source": diagnosis.evidence.service.source,
                "commands": [CommandRow.of(name, told.place) for name in _command_names(diagnosis)],
            }
        )


def _severity(diagnosis: Diagnosis) -> SeverityRow:
    decision = diagnosis.decision
    severity = decision.severity
    return SeverityRow(
        level=severity,
        name=None if severity is None else severity.word,
        title="Nothing found" if severity is None else severity.title,
        criterion=decision.criterion,
        evidence=decision.evidence,
        not_known=[CriterionRow.of(criterion, why) for criterion, why in decision.not_known],
        you_decide=[CriterionRow.of(criterion, None) for criterion in decision.you_decide],
    )


def _left_out(diagnosis: Diagnosis) -> Iterator[str]:
    """Say which sides are not known at all; of their parts, `not_looked_at` and the tree tell."""
    if isinstance(diagnosis.evidence.contact, NotKnown):
        yield f"the node: {diagnosis.evidence.contact.why}"


def _command_names(diagnosis: Diagnosis) -> list[str]:
    of_tree = [name for step in diagnosis.walk.steps if step.answer is Answer.YES for name in step.commands]
    of_findings = [name for finding in diagnosis.findings.found for name in finding.rule.commands]
    return list(dict.fromkeys((*of_tree, *of_findings)))
