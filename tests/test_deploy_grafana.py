"""The dashboards of deploy/grafana are those that their script makes."""

from __future__ import annotations

import json

import pytest

from scripts.dashboard_pages import PAGES
from scripts.dashboard_pages.panels import Page
from scripts.dashboards import FOLDER, build


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.uid)
def test_a_dashboard_is_as_its_script_makes_it(page: Page) -> None:
    assert (FOLDER / f"{page.uid}.json").read_text(encoding="utf-8") == build(page), (
        "make it anew: .venv/bin/python -m scripts.dashboards"
    )


def test_there_is_no_other_dashboard() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == {page.uid for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.uid)
def test_every_panel_asks_the_chosen_prometheus_and_every_query_has_a_letter_of_its_own(page: Page) -> None:
    for panel in json.loads(build(page))["panels"]:
        if panel["type"] == "row":
            continue
        assert panel["datasource"]["uid"] == "${datasource}"
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == sorted(set(letters))
        assert all(letters)
