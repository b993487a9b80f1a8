from __future__ import annotations

from collections import Counter

import pytest

from collector.scrape_settings import PROBES
from collector.setting_words import GROUPS, choices_of, default_of, meaning_of, metavar_of
from collector.settings import Settings


def test_every_setting_stands_in_one_group() -> None:
    assert Counter(name for names in GROUPS.values() for name in names) == Counter([*Settings.model_fields])


@pytest.mark.parametrize(
    ("setting", "default"),
    [
        ("cookie_file", "~/.erlang.cookie"),
        ("listen", "127.0.0.1:9750"),
        ("watch_minutes", "5"),
        ("restart_retries", "3"),
        ("black_box", "true"),
        ("governor_supervisors", "governance_sup"),
        ("restart_applications", "all but those of OTP and Elixir"),
        ("tls_ca_file", ""),
    ],
)
def test_a_default_is_told_as_one_writes_it_or_in_words(setting: str, default: str) -> None:
    assert default_of(setting) == default
    assert "(default" not in meaning_of(setting)


@pytest.mark.parametrize(
    ("setting", "metavar"),
    [
        ("node", "NAME@HOST"),
        ("cookie_file", "FILE"),
        ("watch_tables", "NAME,..."),
        ("prometheus_url", "URL"),
        ("restart_retries", "N"),
        ("restart_window_seconds", "SECONDS"),
        ("tls_server_name", "NAME"),
        ("log_format", "FORMAT"),
        ("insecure_no_auth", None),
    ],
)
def test_a_value_is_called_what_it_is(setting: str, metavar: str | None) -> None:
    assert metavar_of(setting) == metavar


def test_every_setting_has_something_that_stands_for_its_value() -> None:
    assert [name for name in Settings.model_fields if metavar_of(name) == ""] == []


def test_what_can_be_chosen_is_known() -> None:
    assert choices_of("naming") == ("v6", "legacy", "both")
    assert choices_of("scrape_without") == PROBES
    assert choices_of("listen") == ()
