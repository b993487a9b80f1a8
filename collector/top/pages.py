"""What a pane is made of: how it is asked for, and the rows that its answer gives."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final, Generic

from rich.console import RenderableType
from rich.text import Text

from collector.command_line.keeping import KeptSource
from collector.freshness import Asker
from collector.models import ProbeAnswer
from collector.render.parts import cell
from collector.views import AnswerT, QueryT, View
from collector.views.trend import TrendAnswer

ORDER_MARK: Final = "▼"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``least`` cells are enough for it to say something; 0: it is always as wide as its widest text.

    Where there is no room for all, those with the highest ``rank`` are left out first. ``is_order``: the first row has
    most of it.
    """

    title: str
    least: int = 0
    rank: int = 0
    is_number: bool = False
    is_order: bool = False

    @property
    def heading(self) -> str:
        """What stands above it."""
        return f"{self.title}{ORDER_MARK}" if self.is_order else self.title


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a cell for each column. ``key`` tells it from others when the order has changed.

    ``look`` is what Enter shows; None: there is no more to see.
    """

    key: Hashable
    cells: tuple[Text, ...]
    look: Look | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of a pane, and above them what all of them are together."""

    summary: Text
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Subject(Generic[AnswerT]):
    """A question that is asked again and again while its pane is shown, and the page that its answer makes.

    ``key`` tells it from other questions.
    """

    key: str
    ask: Callable[[KeptSource, Asker], AnswerT]
    page: Callable[[AnswerT, TrendAnswer | None], Page]


@dataclass(frozen=True, slots=True)
class Look:
    """One thing, looked at alone: a process, a table, a supervisor."""

    key: str
    ask: Callable[[KeptSource, Asker], ProbeAnswer]
    draw: Callable[[Any], RenderableType]


def subject(
    view: View[QueryT, AnswerT],
    query: QueryT,
    page: Callable[[AnswerT, TrendAnswer | None], Page],
) -> Subject[AnswerT]:
    """Make a subject of a view."""
    return Subject(f"{view.path} {query!r}", _asks(view, query), page)


def look(view: View[QueryT, AnswerT], query: QueryT, title: str, draw: Callable[[AnswerT], RenderableType]) -> Look:
    """Make a look at one thing of a view."""
    ask = _asks(view, query)
    return Look(title, ask, draw)


def _asks(view: View[QueryT, AnswerT], query: QueryT) -> Callable[[KeptSource, Asker], AnswerT]:
    return lambda source, asker: source.view(view, query, fresh=asker is Asker.PERSON)


def row(key: Hashable, *cells: Text | str | None, look: Look | None = None) -> Row:
    """Make a row; a text from a node loses what a terminal would obey."""
    return Row(key, tuple(each if isinstance(each, Text) else cell(each) for each in cells), look)
