from __future__ import annotations

import dataclasses
import io

import pytest
from rich.console import Console, RenderableType

from agent.errors import DeadlineExceeded, NodeUnreachable
from agent.node import Down, Up
from agent.probes.identity import NodeIdentity
from agent.probes.memory import Memory
from agent.probes.supervisors import Supervisor, Supervisors
from collector.models import MemoryAnswer, NodeAnswer
from collector.render.parts import format_bytes
from collector.render.vitals import memory_table, node_table
from collector.snapshot import Snapshot
from tests.collector_fakes import (
    INSTANCE_ID,
    MEMORY,
    NODE,
    OFFERS,
    FakeSession,
    answered,
    failed,
    snapshot,
    snapshot_down,
)


def printed(drawn: RenderableType, width: int = 80, *, color: bool = False, is_whole: bool = False) -> str:
    """Print as on a terminal of that width; the spaces at the ends of lines, which nobody sees, are left out.

    What goes beyond the width is left out as well, unless ``is_whole``: a terminal would break it.
    """
    console = Console(file=io.StringIO(), width=width, force_terminal=color, color_system="standard" if color else None)
    console.print(drawn, crop=not is_whole)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def memory_of(memory: Memory = MEMORY) -> MemoryAnswer:
    return MemoryAnswer.of(snapshot(memory=answered(memory)))


def node_up(found: Snapshot) -> NodeAnswer:
    return NodeAnswer.of(found, Up(FakeSession()))


def node_down(why: str) -> NodeAnswer:
    return NodeAnswer.of(snapshot_down(), Down(NodeUnreachable(why), 1))


# -------------------------------------------------------------------------------------------------------------- memory

MEMORY_AT_80 = """\
tai_autonomics@127.0.0.1, 03:14:07 UTC
memory         size  share
────────────────────────────────────────────────────
total      46.0 MiB   100%  ████████████████████████
processes  14.0 MiB    30%  ███████▎
system     32.0 MiB    70%  ████████████████▋
  other    16.4 MiB    36%  ████████▌
  code     12.0 MiB    26%  ██████▎
  ets      2.00 MiB     4%  █
  binary   1.00 MiB     2%  ▌
  atom      624 KiB     1%  ▎"""

MEMORY_AT_40 = """\
tai_autonomics@127.0.0.1, 03:14:07 UTC
memory         size  share
────────────────────────────────────────
total      46.0 MiB   100%  ████████████
processes  14.0 MiB    30%  ███▋
system     32.0 MiB    70%  ████████▎
  other    16.4 MiB    36%  ████▎
  code     12.0 MiB    26%  ███▏
  ets      2.00 MiB     4%  ▌
  binary   1.00 MiB     2%  ▎
  atom      624 KiB     1%  ▏"""

MEMORY_AT_30 = """\
tai_autonomics@127.0.0.1,
03:14:07 UTC
memory         size  share
──────────────────────────
total      46.0 MiB   100%
processes  14.0 MiB    30%
system     32.0 MiB    70%
  other    16.4 MiB    36%
  code     12.0 MiB    26%
  ets      2.00 MiB     4%
  binary   1.00 MiB     2%
  atom      624 KiB     1%"""


@pytest.mark.parametrize(
    ("width", "golden"), [(200, MEMORY_AT_80), (80, MEMORY_AT_80), (40, MEMORY_AT_40), (30, MEMORY_AT_30)]
)
def test_memory_has_every_number_at_any_width(width: int, golden: str) -> None:
    assert printed(memory_table(memory_of()), width) == golden


def test_the_parts_of_the_system_come_largest_first() -> None:
    hog = dataclasses.replace(MEMORY, ets=20_000_000, system=51_457_280)
    rows = [line.split()[0] for line in printed(memory_table(memory_of(hog))).splitlines()[3:]]
    assert rows == ["total", "processes", "system", "ets", "other", "code", "binary", "atom"]


def test_a_total_of_nothing_is_no_division_by_it() -> None:
    nothing = Memory(**dict.fromkeys(Memory.__dataclass_fields__, 0))
    assert "total       0 B     0%" in printed(memory_table(memory_of(nothing)))


def test_color_is_for_terminals_alone() -> None:
    assert "\x1b[" in printed(memory_table(memory_of()), color=True)
    assert "\x1b[" not in printed(memory_table(memory_of()))


# ---------------------------------------------------------------------------------------------------------------- node

UP_AT_80 = """\
tai_autonomics@127.0.0.1, 03:14:07 UTC
connection          up, as 2HVP0TDI4GTFO@127.0.0.1
creation            1763914502
OTP                 26 (ERTS 14.2.1)
up for              1 day, 0:00:00
governance_sup      running <0.123.0>
receipt_ledger_sup  running <0.124.0>"""

UP_AT_40 = """\
tai_autonomics@127.0.0.1, 03:14:07 UTC
connection          up, as
                    2HVP0TDI4GTFO@127.0.
                    0.1
creation            1763914502
OTP                 26 (ERTS 14.2.1)
up for              1 day, 0:00:00
governance_sup      running <0.123.0>
receipt_ledger_sup  running <0.124.0>"""

DOWN_AT_80 = """\
tai_autonomics@127.0.0.1, 03:14:07 UTC
connection   down: tai_autonomics@127.0.0.1 on port 9100: nothing listens there
creation     not known
OTP          not known (ERTS not known)
up for       not known
supervisors  not known"""

DOWN_AT_40 = """\
tai_autonomics@127.0.0.1, 03:14:07 UTC
connection   down:
             tai_autonomics@127.0.0.1 on
             port 9100: nothing listens
             there
creation     not known
OTP          not known (ERTS not known)
up for       not known
supervisors  not known"""


@pytest.mark.parametrize(("width", "golden"), [(80, UP_AT_80), (40, UP_AT_40)])
def test_a_node_that_is_up(width: int, golden: str) -> None:
    assert printed(node_table(node_up(snapshot())), width) == golden


@pytest.mark.parametrize(("width", "golden"), [(80, DOWN_AT_80), (40, DOWN_AT_40)])
def test_of_a_node_that_is_down_all_else_is_not_known_and_nothing_is_zero(width: int, golden: str) -> None:
    assert printed(node_table(node_down(f"{NODE} on port 9100: nothing listens there")), width) == golden


def test_a_node_that_hangs_is_not_shown_as_well() -> None:
    late = DeadlineExceeded(f"{NODE} gave no answer within 2 s")
    answer = node_up(snapshot(identity=failed(late), supervisors=failed(late)))
    assert answer.trouble == str(late)
    assert f"up, but {NODE} gave no answer within 2 s" in printed(node_table(answer))


def test_a_supervisor_that_does_not_run_is_told() -> None:
    found = Supervisors((Supervisor("governance_sup", None), Supervisor("receipt_ledger_sup", "<0.124.0>")))
    shown = printed(node_table(node_up(snapshot(supervisors=answered(found))))).splitlines()
    assert shown[-2:] == ["governance_sup      not running", "receipt_ledger_sup  running <0.124.0>"]


def test_supervisors_that_are_not_known_are_not_said_to_be_down() -> None:
    unknown = printed(node_table(node_up(snapshot(supervisors=failed(NodeUnreachable("gone"))))))
    assert unknown.splitlines()[-1] == "supervisors  not known"
    assert "not running" not in unknown


def test_where_none_is_expected_no_supervisor_is_shown() -> None:
    assert "sup" not in printed(node_table(node_up(snapshot(supervisors=answered(Supervisors(()))))))


def test_the_instance_is_named_where_there_is_one() -> None:
    shown = printed(node_table(node_up(dataclasses.replace(snapshot(), instance_id=INSTANCE_ID)))).splitlines()
    assert shown[0] == f"{NODE}, instance {INSTANCE_ID}, 03:14:07 UTC"
    assert f"instance            {INSTANCE_ID}" in shown


def test_an_uptime_is_rounded_to_seconds() -> None:
    identity = NodeIdentity(otp_release="28", erts_version="16.1", uptime_seconds=3661.7)
    assert "up for              1:01:02" in printed(node_table(node_up(snapshot(identity=answered(identity)))))


@pytest.mark.parametrize("name", ["[red]x", "[/x]", "x[bold]", ":boom:"])
def test_names_from_elsewhere_are_printed_as_they_are(name: str) -> None:
    supervisors = Supervisors((Supervisor(name, None),))
    identity = NodeIdentity(otp_release=name, erts_version=name, uptime_seconds=1.0)
    strange = snapshot(supervisors=answered(supervisors), identity=answered(identity))
    shown = printed(node_table(node_up(dataclasses.replace(strange, instance_id=name))))
    assert shown.count(name) == 5


# --------------------------------------------------------------------------------------------------------------- bytes

KIB, MIB, GIB, TIB = 2**10, 2**20, 2**30, 2**40


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1023 B"),
        (KIB, "1.00 KiB"),
        (1536, "1.50 KiB"),
        (10 * KIB, "10.0 KiB"),
        (100 * KIB, "100 KiB"),
        (1000 * KIB, "1000 KiB"),
        (MIB, "1.00 MiB"),
        (48_234_496, "46.0 MiB"),
        (GIB, "1.00 GiB"),
        (int(3.25 * GIB), "3.25 GiB"),
        (TIB, "1.00 TiB"),
        (5000 * TIB, "5000 TiB"),
    ],
)
def test_a_size_is_printed_for_people(size_bytes: int, text: str) -> None:
    assert format_bytes(size_bytes) == text


def test_what_a_node_offers_is_shown() -> None:
    shown = printed(node_table(NodeAnswer.of(snapshot(), Up(FakeSession(), OFFERS))))
    assert "net_ticktime 60 s, intensity 4" in shown
    assert "all that is asked for" in shown


def test_what_a_node_does_not_offer_is_shown() -> None:
    offers = dataclasses.replace(OFFERS, code_server_answers=False)
    shown = printed(node_table(NodeAnswer.of(snapshot(), Up(FakeSession(), offers))))
    assert "not all: its code server does not answer" in " ".join(shown.split())
