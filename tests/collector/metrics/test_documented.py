"""The page that is made of the tables, and the names of the probes that settings and the page have."""

from __future__ import annotations

from collections import Counter

from agent.probes import vital_signs
from collector.freshness import OTHER, pot_of
from collector.metrics.family import Family
from collector.metrics.labelled import Row
from collector.metrics.page import FAMILIES, SUBJECTS
from collector.scrape_settings import PROBES
from collector.scraping import questions_of
from collector.settings import Settings
from scripts.metrics import PAGE, page
from scripts.metrics import SUBJECTS as DOCUMENTED

ROWS: list[Family | Row] = [*FAMILIES, *(row for subject in SUBJECTS for row in subject.rows)]


def test_the_page_is_the_one_that_the_tables_give() -> None:
    assert PAGE.read_text() == page(), ".venv/bin/python -m scripts.metrics"


def test_every_row_of_a_table_is_on_the_page_once() -> None:
    rows = Counter(row.name for _title, rows in DOCUMENTED for row in rows)
    assert set(rows.values()) == {1}
    assert {row.name for row in ROWS} <= set(rows)


def test_a_row_names_probes_that_there_are_and_the_families_of_the_vm_name_one() -> None:
    assert {probe for row in ROWS for probe in row.probes} <= set(PROBES)
    assert [row.name for row in ROWS if row.name.startswith("erlang_") and len(row.probes) != 1] == []


def test_the_probes_of_a_scrape_are_those_that_can_be_chosen() -> None:
    asked = {*vital_signs(), *(question.probe for question in questions_of(Settings()))}
    assert asked == set(PROBES)
    assert len(PROBES) == len(asked)


def test_what_a_scrape_sweeps_has_its_part_of_the_budget() -> None:
    swept = [question.probe for question in questions_of(Settings()) if question.is_sweep]
    assert [probe for probe in swept if pot_of(probe) == OTHER] == []
