"""Moves the screen: keys, a beat, answers that come from threads, and the size of the terminal."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import zip_longest
from typing import ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from collector.command_line.client import ClientError, Collector, Direct
from collector.command_line.keeping import KeptSource, keep_open
from collector.top.asking import Asking
from collector.top.schedule import DEFAULT_REFRESH_SECONDS, due
from collector.top.screen import Screen
from collector.top.state import PANES, SHORT_CUTS, State

BEAT_SECONDS: Final = 0.5  # how often it is looked what is due, and how old everything is

_ALL_ROWS: Final = 1 << 20


def run(source: Collector | Direct, refresh_seconds: float) -> None:
    """Show a node until a person or a signal ends it. Raises `ClientError` where there is no terminal."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.__stderr__)):
        raise ClientError("top needs a terminal; elsewhere the other commands do, with --watch or --json")
    logging.getLogger().addHandler(logging.NullHandler())  # a line of the log would go right across the screen
    with keep_open(source, refresh_seconds) as kept:
        Top(kept, refresh_seconds).run(mouse=False)  # so that a person can mark and copy text


class Answered(Message):
    """An answer has come."""


class Canvas(Widget):
    """The whole screen. Of what is shown anew only the lines that have changed are sent to the terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: Sequence[Text] = ()

    def show(self, lines: Sequence[Text]) -> None:
        """Show these lines."""
        before, self._lines = self._lines, lines
        changed = [number for number, (old, new) in enumerate(zip_longest(before, lines)) if old != new]
        if changed:
            self.refresh(*(Region(0, number, self.size.width, 1) for number in changed))

    def render_line(self, y: int) -> Strip:
        """Draw one line (textual calls this)."""
        line = Text()  # appended to, since rich draws the style of a whole text only where it is a part of another
        if y < len(self._lines):
            line.append_text(self._lines[y])
        return Strip(line.render(self.app.console)).adjust_cell_length(self.size.width)


class Top(App[None]):
    """The program. ``clock`` is in seconds and never goes back."""

    ENABLE_COMMAND_PALETTE: ClassVar[bool] = False
    CSS = """
    Screen { background: ansi_default; overflow: hidden; }
    Canvas { width: 100%; height: 100%; background: ansi_default; color: ansi_default; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+c", "quit", priority=True),
        Binding("question_mark,h", "help"),
        Binding("escape,backspace", "leave"),
        Binding("tab,right", "switch(1)", priority=True),
        Binding("shift+tab,left", "switch(-1)", priority=True),
        *(Binding(str(number + 1), f"show({number})") for number in range(len(PANES))),
        *(Binding(key, f"short_cut('{key}')") for key in SHORT_CUTS),
        Binding("s", "next_order"),
        Binding("up,k", "move(-1)"),
        Binding("down,j", "move(1)"),
        Binding("pageup", "move_page(-1)"),
        Binding("pagedown", "move_page(1)"),
        Binding("home", f"move({-_ALL_ROWS})"),
        Binding("end", f"move({_ALL_ROWS})"),
        Binding("enter", "look"),
        Binding("p,space", "pause"),
        Binding("r", "ask_now"),
    ]

    def __init__(
        self,
        source: KeptSource,
        refresh_seconds: float = DEFAULT_REFRESH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(ansi_color=True)
        self.state = State()
        self._canvas = Canvas()
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._asking = Asking(source, clock, lambda: self.post_message(Answered()))

    def compose(self) -> ComposeResult:
        """Make the one widget, which is the whole screen."""
        yield self._canvas

    def on_mount(self) -> None:
        """Begin to ask."""
        if not self.is_headless:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, self.exit)
        self.set_interval(BEAT_SECONDS, self._beat)
        self._beat()

    def on_unmount(self) -> None:
        """Stop asking."""
        self._asking.end()

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._draw()

    def on_answered(self) -> None:
        """Draw what is new."""
        self._draw()

    def drawing(self) -> Screen:
        """Return what there is to draw from."""
        return Screen(self.state, self._asking.known, self._clock(), datetime.now(UTC), self._refresh_seconds)

    def action_switch(self, panes: int) -> None:
        """Show the next pane, or the one before."""
        self._become(self.state.switched(self.state.pane + panes))

    def action_show(self, pane: int) -> None:
        """Show a pane."""
        self._become(self.state.switched(pane))

    def action_short_cut(self, key: str) -> None:
        """Show one order of a pane."""
        self._become(self.state.with_subject(SHORT_CUTS[key]))

    def action_next_order(self) -> None:
        """Sort by the next thing."""
        self._become(self.state.with_next_order())

    def action_move(self, rows: int) -> None:
        """Choose another row, or scroll."""
        drawing = self.drawing()
        moved = self.state.moved(rows, drawing.page)
        limit = replace(drawing, state=moved).scroll_limit(self.size.width, self.size.height)
        self._become(replace(moved, scrolled=min(moved.scrolled, limit)))

    def action_move_page(self, pages: int) -> None:
        """Go on by most of a screen."""
        self.action_move(pages * max(1, self.size.height // 2))

    def action_look(self) -> None:
        """Look at the chosen row alone."""
        self._become(self.state.opened(self.drawing().page))

    def action_leave(self) -> None:
        """Go back to where one was."""
        self._become(self.state.back())

    def action_pause(self) -> None:
        """Stop asking, or go on."""
        self._become(self.state.paused())

    def action_help(self) -> None:
        """Show the keys, or what was there before."""
        self._become(self.state.helped())

    def action_ask_now(self) -> None:
        """Ask for what is shown, whatever is known."""
        self._beat(is_wanted_now=True)

    def _become(self, state: State) -> None:
        self.state = state
        self._beat()

    def _beat(self, *, is_wanted_now: bool = False) -> None:
        known, now = self._asking.known, self._clock()
        for wish in due(self.state, known, now, self._refresh_seconds, is_wanted_now=is_wanted_now):
            self._asking.put(wish)
        self._draw()

    def _draw(self) -> None:
        width, height = self.size
        if self._canvas.is_attached:  # an answer may come after the end
            self._canvas.show(self.drawing().lines(width, height))
