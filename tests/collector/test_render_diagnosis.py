"""What people see of a diagnosis."""

from __future__ import annotations

import pytest

from collector.diagnosis.decision_tree import Answer
from collector.models import NodeReference
from collector.render.diagnosis import diagnosis_page
from collector.views.diagnosis import (
    CommandRow,
    CriterionRow,
    DiagnosisAnswer,
    FindingRow,
    NotLookedAt,
    SeverityRow,
    StepRow,
)
from tests.collector.test_render import printed
from tests.collector_fakes import MOMENT, NODE

HEALTH = "/health: 503 supervisor governance_sup not running"
NO_FIGURES = "http://127.0.0.1:8080/metrics answers 404, so the service tells no figures there"
LONG_LINE = (
    "gcloud logging read 'resource.type=\"cloud_run_revision\" AND severity>=ERROR' --limit=50 --project=PROJECT_ID"
)

FINDING = FindingRow(
    rule="mailbox_long",
    section="Playbook 4",
    severity="high",
    sentence="120000 messages wait for receipt_store",
    since_seconds=720.0,
    evidence=["pid <0.111.0>, running, in lists:sort/1"],
    causes_that_fit=["Process accumulating messages"],
    causes_excluded=["Binary garbage not collected"],
    causes_open=["Receipt buffer not flushing"],
    steps=["beamwarden process receipt_store"],
    commands=["rollback"],
)
ANSWER = DiagnosisAnswer(
    node=NodeReference(name=NODE, creation=7, instance_id="00f46b92"),
    collected_at=MOMENT,
    age_seconds=0.012,
    cost_seconds=0.0021,
    complete=True,
    left_out=[],
    severity=SeverityRow(
        level=1,
        name="critical",
        title="Critical (SEV-1)",
        criterion="Service completely down (health check failing)",
        evidence=HEALTH,
        not_known=[CriterionRow(severity="critical", criterion="Error rate > 50%", why=NO_FIGURES)],
        you_decide=[CriterionRow(severity="critical", criterion="Data loss occurring", why=None)],
    ),
    branch="Health check failing?",
    tree=[
        StepRow(
            question="Health check failing?",
            answer=Answer.YES,
            evidence=HEALTH,
            leads_to="Supervisor issue",
            section="Playbook 1",
            commands=["errors", "rollback"],
        ),
        StepRow(
            question="Error rate high?",
            answer=Answer.NOT_KNOWN,
            evidence=NO_FIGURES,
            leads_to="Check error types",
            section="Playbook 2",
            commands=[],
        ),
        StepRow(
            question="Latency high?",
            answer=Answer.NOT_KNOWN,
            evidence=NO_FIGURES,
            leads_to="Resource or dependency",
            section="Playbook 3",
            commands=[],
        ),
    ],
    findings=[FINDING],
    not_looked_at=[NotLookedAt(rule="memory_near_limit", why="the node sees no limit of its memory")],
    service_source="http://127.0.0.1:8080/metrics",
    commands=[
        CommandRow(
            name="errors",
            purpose="The latest errors of this service",
            lines=[LONG_LINE],
            changes=False,
            fill_in=["PROJECT_ID"],
        ),
        CommandRow(
            name="rollback",
            purpose="Give all traffic to a revision that worked",
            lines=["gcloud run services update-traffic tai --to-revisions=PREVIOUS_REVISION=100"],
            changes=True,
            fill_in=["PREVIOUS_REVISION", "PROJECT_ID"],
        ),
    ],
)

PAGE = """\
tai@127.0.0.1, instance 00f46b92, 03:14:07 UTC

 Critical (SEV-1)   Service completely down (health check failing)
because     /health: 503 supervisor governance_sup not running
you decide  Data loss occurring?
not known   Error rate > 50%? http://127.0.0.1:8080/metrics answers 404, so the service tells no
            figures there

Decision tree
YES  Health check failing?  /health: 503 supervisor governance_sup not running
                            → Supervisor issue, Playbook 1: [1] [2]
?    Error rate high?       http://127.0.0.1:8080/metrics answers 404, so the service tells no
                            figures there
?    Latency high?          as above

Findings
 HIGH  120000 messages wait for receipt_store  (Playbook 4, for 12 min)
          pid <0.111.0>, running, in lists:sort/1
  fits    Process accumulating messages
  may be  Receipt buffer not flushing
  is not  Binary garbage not collected
  next    beamwarden process receipt_store
  then    [2]

Not looked at
the node sees no limit of its memory
  memory_near_limit

For you to run, in a shell with gcloud
[1] The latest errors of this service
    gcloud logging read 'resource.type="cloud_run_revision" AND severity>=ERROR' --limit=50 --project=PROJECT_ID
[2] Give all traffic to a revision that worked  changes the service
    gcloud run services update-traffic tai --to-revisions=PREVIOUS_REVISION=100
To fill in: PROJECT_ID, PREVIOUS_REVISION"""


def test_the_page_of_an_incident() -> None:
    assert printed(diagnosis_page(ANSWER), 96, is_whole=True) == PAGE.replace("tai@127.0.0.1", NODE, 1)


def test_when_nothing_is_wrong_it_says_so() -> None:
    well = SeverityRow(
        level=None, name=None, title="Nothing found", criterion=None, evidence=None, not_known=[], you_decide=[]
    )
    page = printed(
        diagnosis_page(ANSWER.model_copy(update={"severity": well, "findings": [], "commands": [], "tree": []}))
    )
    assert "Nothing found   no criterion of the playbook is met" in page
    assert "No findings" in page
    assert "For you to run" not in page


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_command_stays_in_one_line_so_that_it_can_be_copied(width: int) -> None:
    assert f"    {LONG_LINE}" in printed(diagnosis_page(ANSWER), width, is_whole=True).splitlines()


def test_a_name_from_a_node_cannot_harm_a_terminal() -> None:
    evil = FINDING.model_copy(
        update={"sentence": "1 message waits for \x1b[2J", "evidence": ["\x07"], "steps": ["\x1b]0;x"]}
    )
    page = printed(diagnosis_page(ANSWER.model_copy(update={"findings": [evil]})))
    assert "\x1b" not in page
    assert "\x07" not in page
