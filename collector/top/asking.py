"""Asks a source, each question in a thread of its own, since asking blocks: what is slow holds up nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from collector.command_line.client import AskAgain, ClientError
from collector.command_line.keeping import KeptSource
from collector.models import Answer
from collector.top.schedule import Latest, Wish

MAX_KNOWN: Final = 50  # answers; the one that was asked for longest ago goes first


class Asking:
    """Puts questions to one source until its end. ``known`` has the latest answer to each.

    ``on_answer`` is called from a thread whenever there is something new.
    """

    def __init__(self, source: KeptSource, clock: Callable[[], float], on_answer: Callable[[], object]) -> None:
        self.known: dict[str, Latest] = {}
        self._source = source
        self._clock = clock
        self._on_answer = on_answer
        self._under_way: set[str] = set()
        self._is_over = False
        self._lock = threading.Lock()

    def end(self) -> None:
        """Ask no more. Nobody waits for what is under way: its threads end with the program."""
        self._is_over = True

    def put(self, wish: Wish) -> None:
        """Ask, unless the same question is under way."""
        with self._lock:
            if wish.key in self._under_way:
                return
            self._under_way.add(wish.key)
            now = self._clock()
            before = self.known.get(wish.key, Latest(now))
            self.known = {**self.known, wish.key: replace(before, asked_at=now)}
        threading.Thread(target=self._ask, args=(wish,), name=f"ask for {wish.key}", daemon=True).start()

    def _ask(self, wish: Wish) -> None:
        answer: Answer | None = None
        trouble: ClientError | None = None
        try:
            answer = wish.ask(self._source)
        except ClientError as error:
            trouble = error
        except RuntimeError:
            if self._is_over:  # then the source is closed, which httpx says in this way
                return
            raise
        with self._lock:
            self._under_way.discard(wish.key)
            latest = _latest(self.known[wish.key], answer, trouble, self._clock())
            self.known = self._bounded({**self.known, wish.key: latest})
        if not self._is_over:
            self._on_answer()

    def _bounded(self, known: dict[str, Latest]) -> dict[str, Latest]:
        while len(known) > MAX_KNOWN:
            del known[min(known.keys() - self._under_way, key=lambda key: known[key].asked_at)]
        return known


def _latest(before: Latest, answer: Answer | None, trouble: ClientError | None, now: float) -> Latest:
    if answer is not None:
        return Latest(before.asked_at, answer, now)
    wait_seconds = trouble.retry_after_seconds if isinstance(trouble, AskAgain) else 0.0
    return replace(before, trouble=str(trouble), too_soon_until=now + wait_seconds)
