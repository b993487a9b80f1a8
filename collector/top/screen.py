"""The whole screen as lines: what is always shown, the pane or the one thing that is looked at, and the keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rich.text import Text

from collector.models import ProbeAnswer
from collector.render.parts import format_seconds, printable
from collector.top import head
from collector.top.layout import page_lines, rendered_lines
from collector.top.pages import Page
from collector.top.schedule import TREND, Known, Latest
from collector.top.state import PANES, State
from collector.views.trend import TrendAnswer

LEAST_WIDTH: Final = 40
LEAST_HEIGHT: Final = 12
SIGNS_AT_LEAST: Final = 3  # lines of vital signs in a low terminal, which has no room for all
LOW: Final = 20  # lines
HIGH: Final = 32  # here there is room for all, and for what is read besides
TROUBLE_LINES: Final = 2  # at the most, and twice that in a high terminal
STALE_SECONDS: Final = 10.0  # from here on the age of an answer stands out
COST_TO_TELL_SECONDS: Final = 0.01  # of one scheduler

KEYS: Final = "q quit  ? help  1-6 Tab pane  s sort  Enter look  Esc back  p pause  r now"
HELP: Final = """\
beamwarden top: one Erlang node, live                       Esc goes back

Panes    1 to 6, Tab and Shift-Tab, or the arrows left and right
Orders   s is the next order of a pane, ▼ marks the column. From everywhere:
         m processes by memory       w by waiting messages
         b by reductions (busy)      t tables by memory    n by rows
Rows     the arrows, Page Up, Page Down, Home and End choose one, which stays
         chosen when the order changes; before, it is the first
         Enter looks at it alone: a process, a table, a supervisor
Asking   r asks now; p or Space stops asking, until it is pressed again
         What costs the node much is asked less often by itself: above the
         rows stands how old they are
Ending   q or Ctrl-C

The lines are the last hour as the collector has kept it, or, when the node
itself is asked, the time since this program began. Of several moments in one
cell they show the largest. A blank is a moment at which the node did not
answer, | is one at which it was started anew. Sizes begin at the smallest
that there was, what waits begins at 0. The percentage behind a size is by how
much it has grown meanwhile; behind a count it is the part of its limit.

In the tables * is a watched one (watch_tables). Rows that "never fell" are
rows that nobody deletes, or fewer than are added.
"""


@dataclass(frozen=True, slots=True)
class Screen:
    """What there is to draw from, at one moment. ``now`` is the clock's of `Latest`, ``wall`` a person's."""

    state: State
    known: Known
    now: float
    wall: datetime
    refresh_seconds: float

    @property
    def page(self) -> Page | None:
        """The page of the pane; None while there is no answer."""
        latest = self.known.get(self.state.subject.key)
        if latest is None or latest.answer is None:
            return None
        trend = self.known.get(TREND)
        found = trend.answer if trend is not None and isinstance(trend.answer, TrendAnswer) else None
        return self.state.subject.page(latest.answer, found)

    def lines(self, width: int, height: int) -> list[Text]:
        """Draw it in exactly so many lines of at most so many cells."""
        if width < LEAST_WIDTH or height < LEAST_HEIGHT:
            return [
                Text(
                    f"this terminal is too small: {width}x{height}, and at least {LEAST_WIDTH}x{LEAST_HEIGHT} is needed"
                )
            ]
        top = self._top(width, height)
        body = self.body(width, height - len(top) - 1)
        filling = [Text()] * (height - len(top) - 1 - len(body))
        keys = Text(KEYS, "reverse")
        keys.truncate(width, pad=True)
        return [_cut(line, width) for line in (*top, *body, *filling, keys)]

    def body(self, width: int, height: int) -> list[Text]:
        """Draw what is between the vital signs and the keys."""
        if self.state.is_help:
            return self._scrolled([Text(line) for line in HELP.splitlines()], height)
        if self.state.look is None:
            return self._page(width, height)
        heading = Text.assemble((printable(self.state.look.key), "bold"), ("   Esc goes back", "dim"))
        latest = self.known.get(self.state.look.key)
        above = [heading, *self._told(latest, width)]
        read = self.read_lines(width)
        return [*above, *self._scrolled(read, height - len(above))]

    def read_lines(self, width: int) -> list[Text]:
        """Draw the one thing that is looked at, however many lines that takes."""
        look = self.state.look
        latest = self.known.get(look.key) if look is not None else None
        if look is None or latest is None or latest.answer is None:
            return []
        return rendered_lines(look.draw(latest.answer), width)

    def scroll_limit(self, width: int, height: int) -> int:
        """Return how many lines of what is read can be above the screen, so that its last line is still shown."""
        room = height - len(self._top(width, height)) - 1
        if self.state.is_help:
            return max(0, len(HELP.splitlines()) - room)
        return max(0, len(self.read_lines(width)) - (room - 1))

    def _top(self, width: int, height: int) -> list[Text]:
        state = self.state
        manner = "PAUSED" if state.is_paused else f"every {self.refresh_seconds:g} s"
        signs = head.signs(self.known, width)
        lines = [
            head.title_line(self.known, width, self.wall, manner),
            *(
                signs
                if height >= (LOW if state.look is None and not state.is_help else HIGH)
                else signs[:SIGNS_AT_LEAST]
            ),
        ]
        trouble = head.trouble_line(self.known, self.now)
        if trouble is not None:
            lines += _wrapped(trouble, width, TROUBLE_LINES if height < HIGH else 2 * TROUBLE_LINES)
        return [*lines, self._tabs(width)]

    def _tabs(self, width: int) -> Text:
        line = Text()
        for number, pane in enumerate(PANES):
            is_shown = number == self.state.pane
            tab = f"[{number + 1} {pane.name}]" if is_shown else f" {number + 1} {pane.name} "
            line.append(tab, "bold" if is_shown else "dim")
        reach = head.over_time_words(self.known)
        if line.cell_len + len(reach) + 2 <= width:
            line.append(reach.rjust(width - line.cell_len), "dim")
        line.truncate(width)
        return line

    def _page(self, width: int, height: int) -> list[Text]:
        latest = self.known.get(self.state.subject.key)
        told = self._told(latest, width)
        page = self.page
        if page is None:
            is_answered = latest is not None and latest.trouble is not None
            return told or [Text("no answer" if is_answered else "asking ...", "dim")]
        chosen = self.state.selection.among(page.rows)
        return [*told, *page_lines(self._with_age(page, latest), width, height - len(told), chosen)]

    def _with_age(self, page: Page, latest: Latest | None) -> Page:
        """Say above a page how old it is, and what it has cost."""
        parts = []
        if latest is not None and isinstance(latest.answer, ProbeAnswer):
            parts.append(f"{latest.age_seconds(self.now):.0f} s old")
            if latest.answer.cost_seconds >= COST_TO_TELL_SECONDS:
                parts.append(f"cost {format_seconds(latest.answer.cost_seconds)}")
        summary = Text.assemble(page.summary, ("   " + ", ".join(parts), "dim"))
        return Page(summary, page.columns, page.rows)

    def _told(self, latest: Latest | None, width: int) -> list[Text]:
        """Say why there is no answer, or none that is new, and what is left out of the one that there is."""
        lines: list[Text] = []
        if latest is not None and latest.trouble is not None and latest.trouble not in head.silences(self.known):
            since = f" (below: as it was {latest.age_seconds(self.now):.0f} s ago)" if latest.answer is not None else ""
            lines += _wrapped(Text(f"! {printable(latest.trouble)}{since}", "bold yellow"), width)
        if latest is not None and isinstance(latest.answer, ProbeAnswer) and self.state.look is None:
            left_out = "; ".join(map(printable, latest.answer.left_out))
            lines += _wrapped(Text(f"not complete: {left_out}", "yellow"), width) if left_out else []
        return lines

    def _scrolled(self, lines: list[Text], height: int) -> list[Text]:
        first = max(0, min(self.state.scrolled, len(lines) - height))
        return lines[first : first + height]


def _cut(line: Text, width: int) -> Text:
    if line.cell_len > width:
        line = line.copy()
        line.truncate(width)
    return line


def _wrapped(text: Text, width: int, most: int = TROUBLE_LINES) -> list[Text]:
    """Break a text into few lines; what does not fit is cut."""
    lines = list(_broken(text, width))
    if len(lines) > most:
        lines = lines[:most]
        lines[-1].truncate(width - 4)
        lines[-1].append(" ...")
    return lines


def _broken(text: Text, width: int) -> Iterator[Text]:
    words, line = text.plain.split(" "), ""
    for word in words:
        longer = f"{line} {word}" if line else word
        if Text(longer).cell_len > width and line:
            yield Text(line, text.style)
            longer = word
        line = longer
    yield Text(line, text.style)
