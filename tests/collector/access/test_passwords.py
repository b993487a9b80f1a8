"""When a password is hashed, and when not. How long that takes is nobody's business here."""

from __future__ import annotations

import asyncio
import threading

import pytest

from collector.access import passwords
from collector.access.passwords import MAX_REMEMBERED, MAX_WAITING, Busy, Passwords
from tests.fakes import until
from tests.web_port import HASH

USERS = {"prometheus": HASH}


class Hashing:
    """Stands in for bcrypt: knows who was looked at, and waits where it is told to."""

    def __init__(self) -> None:
        self.looked_at: list[tuple[bytes, str]] = []
        self.may_end = threading.Event()
        self.may_end.set()

    def __call__(self, password: bytes, hashed: str) -> bool:
        self.looked_at.append((password, hashed))
        assert self.may_end.wait(10)
        return password == b"right" and hashed in USERS.values()


@pytest.fixture
def hashing(monkeypatch: pytest.MonkeyPatch) -> Hashing:
    hashing = Hashing()
    monkeypatch.setattr(passwords, "_fits", hashing)
    return hashing


@pytest.mark.parametrize(
    ("user", "password", "is_right"),
    [
        ("prometheus", b"right", True),
        ("prometheus", b"wrong", False),
        ("prometheus", b"", False),
        ("Prometheus", b"right", False),
        ("nobody", b"right", False),
        ("nobody", b"", False),
        ("prometheus", b"right" + b"x" * 100, False),
        ("prometheus", b"right\0", False),
        ("\udcff", b"right", False),
    ],
)
async def test_real_hashes_tell_right_from_wrong(user: str, password: bytes, is_right: bool) -> None:  # noqa: FBT001
    assert await Passwords().is_right(USERS, user, password) == is_right


@pytest.mark.parametrize("form", ["$2y$", "$2a$", "$2b$", "$2x$", "$2$"])
async def test_every_form_of_hash_that_the_toolkit_takes_is_looked_at(form: str) -> None:
    assert await Passwords().is_right({"prometheus": HASH.replace("$2b$", form)}, "prometheus", b"right")


async def test_only_what_was_found_out_is_remembered() -> None:
    known = Passwords()
    assert known.remembered(USERS, "prometheus", b"right") is None
    assert await known.is_right(USERS, "prometheus", b"right")
    assert not await known.is_right(USERS, "prometheus", b"wrong")
    assert known.remembered(USERS, "prometheus", b"right") is True
    assert known.remembered(USERS, "prometheus", b"wrong") is False
    assert known.remembered(USERS, "prometheu", b"sright") is None


async def test_of_a_user_with_another_hash_nothing_is_remembered() -> None:
    known = Passwords()
    assert await known.is_right(USERS, "prometheus", b"right")
    assert known.remembered({"prometheus": HASH[:-1] + "a"}, "prometheus", b"right") is None
    assert known.remembered({}, "prometheus", b"right") is None


async def test_fifty_who_ask_at_once_cost_one_look(hashing: Hashing) -> None:
    known = Passwords()
    assert all(await asyncio.gather(*(known.is_right(USERS, "prometheus", b"right") for _ in range(50))))
    assert len(hashing.looked_at) == 1


async def test_a_user_who_does_not_exist_is_looked_at_at_the_least_cost_of_those_who_do(hashing: Hashing) -> None:
    await Passwords().is_right({"a": HASH.replace("$04$", "$12$"), "b": HASH.replace("$04$", "$10$")}, "c", b"x")
    ((password, hashed),) = hashing.looked_at
    assert password == b"x"
    assert hashed.startswith("$2b$10$")


async def test_when_too_many_wait_the_next_is_told_so_at_once(hashing: Hashing) -> None:
    known = Passwords()
    hashing.may_end.clear()
    waiting = [asyncio.create_task(known.is_right(USERS, "a", b"%d" % number)) for number in range(MAX_WAITING)]
    await until(lambda: len(known._under_way) == MAX_WAITING, "all wait")
    with pytest.raises(Busy):
        await known.is_right(USERS, "prometheus", b"right")
    again = asyncio.create_task(known.is_right(USERS, "a", b"0"))  # the same as one that waits
    hashing.may_end.set()
    await asyncio.gather(*waiting, again)
    assert await known.is_right(USERS, "prometheus", b"right")


async def test_one_look_after_the_other_so_that_guesses_take_one_processor(hashing: Hashing) -> None:
    known = Passwords()
    hashing.may_end.clear()
    waiting = [asyncio.create_task(known.is_right(USERS, "a", b"%d" % number)) for number in range(MAX_WAITING)]
    await until(lambda: len(known._under_way) == MAX_WAITING, "all wait")
    assert len(hashing.looked_at) <= 1
    hashing.may_end.set()
    await asyncio.gather(*waiting)
    assert len(hashing.looked_at) == MAX_WAITING


async def test_who_hangs_up_leaves_the_answer_to_the_others(hashing: Hashing) -> None:
    known = Passwords()
    hashing.may_end.clear()
    first = asyncio.create_task(known.is_right(USERS, "prometheus", b"right"))
    await until(lambda: bool(hashing.looked_at), "it is looked at")
    second = asyncio.create_task(known.is_right(USERS, "prometheus", b"right"))
    first.cancel()
    hashing.may_end.set()
    assert await second
    assert len(hashing.looked_at) == 1


@pytest.mark.usefixtures("hashing")
async def test_guesses_are_forgotten_before_a_right_one_is() -> None:
    known = Passwords()
    assert await known.is_right(USERS, "prometheus", b"right")
    for number in range(MAX_REMEMBERED + 1):
        await known.is_right(USERS, "prometheus", b"%d" % number)
    assert known.remembered(USERS, "prometheus", b"right") is True
    assert known.remembered(USERS, "prometheus", b"0") is None
    assert known.remembered(USERS, "prometheus", b"1") is False
