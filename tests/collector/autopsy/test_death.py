"""How an instance died, as its log tells it, and what is not made up where the log tells nothing."""

from __future__ import annotations

import io

import pytest

from collector.autopsy.death import Cause, Confidence, Death, decide
from collector.autopsy.instances import gather
from collector.autopsy.reading import Counts, read
from tests.collector.autopsy.logs import FULL_BOX, as_google, as_text, box, entry, line, platform, vitals

SERVING = line(0, "serving on http://127.0.0.1:9750")
EXCEEDED = "Memory limit of 512 MiB exceeded with 520 MiB used. Consider increasing the memory limit"


def died(text: str) -> Death:
    return decide(gather(read(io.StringIO(text), Counts()))[0])


def test_what_cloud_run_says_of_memory_is_certain() -> None:
    death = died(as_google(entry(vitals(60, 0.5)), entry(FULL_BOX), platform(545, EXCEEDED)))
    assert (death.cause, death.confidence) == (Cause.MEMORY, Confidence.CERTAIN)
    assert any("Memory limit of 512 MiB exceeded" in why for why in death.why)
    assert any("96% of the memory limit" in why for why in death.why)


def test_an_end_without_a_name_is_of_the_instance_that_fell_silent_then_and_not_of_one_that_lives() -> None:
    dead = [entry(vitals(at, 0.9, instance_id="dead"), "dead") for at in (60, 120)]
    alive = [entry(vitals(at, 0.3, instance_id="alive"), "alive") for at in range(30, 600, 60)]
    exceeded = {name: value for name, value in platform(150, EXCEEDED).items() if name != "labels"}
    causes = {
        one.name: decide(one).cause for one in gather(read(io.StringIO(as_google(*dead, *alive, exceeded)), Counts()))
    }
    assert causes == {"alive": Cause.NOT_KNOWN, "dead": Cause.MEMORY}


def test_memory_that_was_full_and_then_silence_is_likely() -> None:
    death = died(as_text(SERVING, vitals(60, 0.5), vitals(480, 0.9), FULL_BOX))
    assert (death.cause, death.confidence) == (Cause.MEMORY, Confidence.LIKELY)
    assert "nobody told it to end" in death.why


def test_memory_that_was_nearly_full_is_possible() -> None:
    death = died(as_text(SERVING, vitals(60, 0.5), vitals(480, 0.88)))
    assert (death.cause, death.confidence) == (Cause.MEMORY, Confidence.POSSIBLE)


@pytest.mark.parametrize(
    ("text", "share", "cause"),
    [
        ("Container terminated on signal 9.", 0.93, Cause.MEMORY),
        ("Container called exit(137).", 0.93, Cause.MEMORY),
        ("Container terminated on signal 9.", 0.3, Cause.NOT_KNOWN),
        ('eheap_alloc: Cannot allocate 747156 bytes of memory (of type "heap").', 0.3, Cause.MEMORY),
    ],
)
def test_a_kill_is_for_memory_where_memory_was_full_or_the_emulator_says_so(
    text: str, share: float, cause: Cause
) -> None:
    assert died(as_google(entry(vitals(60, share)), platform(70, text))).cause is cause


def test_who_was_told_to_end_was_not_killed_however_full_its_memory() -> None:
    death = died(as_text(SERVING, vitals(60, 0.97), box(70, ("sigterm", "it is told to end")), line(71, "ended")))
    assert (death.cause, death.confidence) == (Cause.TOLD_TO_END, Confidence.CERTAIN)


def test_who_had_time_for_its_last_words_only_was_told_to_end_all_the_same() -> None:
    last_words = box(70, ("sigterm", "the collector was told to end (SIGTERM)"), memory_limit_share=0.97)
    death = died(as_text(SERVING, vitals(60, 0.97), last_words))
    assert (death.cause, death.why[0]) == (Cause.TOLD_TO_END, "it took a signal to end, at 2026-11-23 03:01:10 UTC")


def test_a_node_that_went_while_its_sidecar_lived_on_is_told_apart() -> None:
    lost = line(80, "not connected: tai@127.0.0.1 on port 9100: nothing listens there", logger="collector.changes")
    death = died(as_text(SERVING, vitals(60, 0.3), lost, vitals(120, None), line(500, "ended")))
    assert death.cause is Cause.NODE_GONE
    assert "the instance lived on" in death.sentence


def test_a_node_that_came_back_did_not_die_of_that() -> None:
    lost = line(80, "not connected: the connection was closed", logger="collector.changes")
    back = line(90, "connected as X@127.0.0.1", logger="collector.changes")
    assert died(as_text(SERVING, vitals(60, 0.3), lost, back, line(500, "ended"))).cause is Cause.TOLD_TO_END


def test_an_application_that_went_is_what_the_service_died_of() -> None:
    gone = box(80, ("application", "the application tai_autonomics ran, and does not run any more"))
    death = died(as_text(SERVING, vitals(60, 0.3), gone, vitals(120, 0.3)))
    assert death.cause is Cause.APPLICATION_GONE
    assert death.why[0].startswith("the application tai_autonomics ran")


def test_a_clock_that_was_put_back_changes_nothing() -> None:
    back = line(900, "connected as X@127.0.0.1", logger="collector.changes")
    assert died(as_text(SERVING, back, vitals(960, 0.5), vitals(60, 0.9), FULL_BOX)).cause is Cause.MEMORY


def test_where_nothing_says_how_it_is_not_known() -> None:
    death = died(as_text(SERVING, vitals(60, 0.3), vitals(120, 0.31)))
    assert (death.cause, death.confidence) == (Cause.NOT_KNOWN, Confidence.POSSIBLE)
    assert any("the last line is of 2026-11-23 03:02:00 UTC" in why for why in death.why)


def test_a_node_that_goes_at_the_same_signal_has_not_died_of_itself() -> None:
    lost = line(68, "not connected: the connection was closed", logger="collector.changes")
    end = box(70, ("sigterm", "it is told to end")), line(71, "ended")
    assert died(as_text(SERVING, vitals(60, 0.3), lost, *end)).cause is Cause.TOLD_TO_END
    assert died(as_text(SERVING, vitals(60, 0.97), lost, *end)).cause is Cause.MEMORY


def test_what_the_node_came_back_from_is_not_what_it_died_of() -> None:
    back = line(90, "connected as X@127.0.0.1", logger="collector.changes")
    gone = box(60, ("application", "the application tai_autonomics ran, and does not run any more"))
    text = as_google(
        entry(vitals(50, 0.97)), entry(gone), platform(70, "Container terminated on signal 9."), entry(back),
        entry(vitals(120, 0.3)), entry(line(500, "ended")),
    )  # fmt: skip
    assert died(text).cause is Cause.TOLD_TO_END
