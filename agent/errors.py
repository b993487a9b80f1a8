"""Everything that can go wrong in this package, by whose fault it is.

::

    AgentError
    ├── LocalProtocolError          we asked for something that cannot be sent: a bug of the caller
    │   └── EncodeError             a Python value that has no place in an Erlang term
    ├── RemoteProtocolError         the peer's bytes break the protocol
    │   └── DecodeError             these bytes are no Erlang term
    │       └── LimitExceeded       they may be one, and a limit stands before it
    ├── SettingError                a name, a cookie or a file given to us is wrong
    │   ├── NodeNameError
    │   ├── TermTextError           what somebody has typed is no printed Erlang term
    │   ├── CookieError
    │   └── TlsSettingError         a certificate or key that cannot be used
    ├── ConnectError                there is no connection, and this is why
    │   ├── NodeUnreachable         nothing listens there, or it does not answer in time
    │   ├── EpmdUnreachable         the port mapper does not answer
    │   ├── NodeNotRegistered       the port mapper answers and knows no node of that name
    │   ├── NotErlang               what answers there is no Erlang node
    │   ├── TlsMismatch             one side speaks TLS and the other does not
    │   ├── CertificateRefused      we do not trust the node's certificate: expired, foreign, of another name
    │   ├── OurCertificateRefused   the node does not trust ours, or misses it
    │   ├── HandshakeRefused        the node said no with a status that we do not know
    │   │   ├── NameInUse           nok: a connection under our name is being made already
    │   │   ├── NoNamesGiven        ok, where a name was asked for
    │   │   └── NotAllowed          not_allowed: it connects with certain nodes only
    │   ├── WrongCookie             the node closed the connection after our proof of the cookie
    │   ├── PeerNotTrusted          the node could not prove that it has the cookie
    │   ├── WrongPeer               another node than the one asked for answers there
    │   └── IncompatiblePeer        the node lacks what every OTP from 25 on has
    ├── ConnectionLost              there was a connection; whoever waited gets this
    └── CallError                   a question reached the node and has no answer
        ├── RemoteError             the function raised: class, reason and stack are the node's
        ├── DeadlineExceeded        no answer in time; the worker on the node was told to die
        ├── WorkerDied              the worker ended without an answer: it met its heap limit, or a kill
        ├── SpawnRefused            the node would not start the worker
        ├── TooManyQuestions        it was not even sent: too many wait for the node already
        ├── CannotEvaluate          it was not even sent: the node has no evaluator of expressions
        ├── AnswerTooLarge          the answer is longer than the caller, or the memory limit, allowed
        └── UnexpectedAnswer        the answer is no term within our limits, or of a shape that we do not know

Anything else that leaves this package is a bug of ours.
"""

from __future__ import annotations

from agent.terms import Atom, Term, format_term


class AgentError(Exception):
    """The root of all errors that this package raises on purpose."""


class LocalProtocolError(AgentError):
    """We were asked to send something that the protocol does not allow now, or ever."""


class EncodeError(LocalProtocolError):
    """A Python value has no counterpart among Erlang terms."""


class RemoteProtocolError(AgentError):
    """The peer sent bytes that break the protocol; the connection cannot go on."""


class DecodeError(RemoteProtocolError):
    """Bytes that should be an Erlang term are not."""


class LimitExceeded(DecodeError):
    """A term is longer, deeper or made of more terms than was allowed; it was not decoded."""


class SettingError(AgentError):
    """Something that a person has set is wrong; the message says what it should be."""


class NodeNameError(SettingError):
    """A node name or target is not of the form ``name@host`` or ``name@host:port``."""


class TermTextError(SettingError):
    """What somebody has typed is no printed Erlang term; the message says where it goes wrong."""


class CookieError(SettingError):
    """The cookie cannot be had, or is not safe where it is. Never contains the cookie."""


class TlsSettingError(SettingError):
    """A certificate, key or authority given to us cannot be used."""


class ConnectError(AgentError):
    """No connection to the node could be made."""


class NodeUnreachable(ConnectError):
    """Nothing answers at the node's address."""


class EpmdUnreachable(ConnectError):
    """The Erlang port mapper does not answer."""


class NodeNotRegistered(ConnectError):
    """The port mapper answers, and knows no node of that name."""


class NotErlang(ConnectError):
    """Something answers at the node's address, and it is no Erlang node."""


class TlsMismatch(ConnectError):
    """One side speaks TLS and the other does not."""


class CertificateRefused(ConnectError):
    """The node's certificate cannot be trusted; the message says whether it is expired, foreign or of another name."""


class OurCertificateRefused(ConnectError):
    """The node wants a certificate of us that it trusts, and got another or none."""


class HandshakeRefused(ConnectError):
    """The node refused the connection with a status of the handshake."""


class NameInUse(HandshakeRefused):
    """A node of our name is being connected there already."""


class NoNamesGiven(HandshakeRefused):
    """We asked the node for a name, and it gives none."""


class NotAllowed(HandshakeRefused):
    """The node's list of allowed nodes does not have us."""


class WrongCookie(ConnectError):
    """The node closed the connection when it saw our proof of the cookie."""


class PeerNotTrusted(ConnectError):
    """The node's own proof of the cookie is wrong: it is not a node of this cluster."""


class WrongPeer(ConnectError):
    """The node that answers calls itself otherwise than the one that was asked for."""


class IncompatiblePeer(ConnectError):
    """The node does not offer what this protocol needs (OTP 25 and later do)."""


class ConnectionLost(AgentError):
    """The connection ended while somebody waited for an answer, or before the question left."""


class CallError(AgentError):
    """A question was asked and has no answer."""


class RemoteError(CallError):
    """The function raised on the node.

    ``exception_class`` is ``error``, ``exit`` or ``throw``; ``reason`` and ``stack`` are the node's terms (a stack
    comes only with ``error``). The message shows them shortened: they may be large.
    """

    def __init__(self, exception_class: Atom, reason: Term, stack: Term = ()) -> None:
        self.exception_class = exception_class
        self.reason = reason
        self.stack = stack
        super().__init__(f"the node answered {exception_class.name}: {format_term(reason)}")


class DeadlineExceeded(CallError):
    """The node gave no answer within the deadline."""


class WorkerDied(CallError):
    """The question's worker on the node ended without an answer."""


class SpawnRefused(CallError):
    """The node would not start a worker for the question."""


class TooManyQuestions(CallError):
    """So many questions wait for the node that this one was not sent: the node hangs, or the caller loops."""


class CannotEvaluate(CallError):
    """An expression was not sent: the node has not loaded stdlib's evaluator, and cannot load it now."""


class AnswerTooLarge(CallError):
    """The answer came and is longer than the caller allowed, or than fits the memory limit; it was not decoded."""


class UnexpectedAnswer(CallError):
    """The node's answer cannot be read, or has a shape that we do not know: a newer release than ours, perhaps."""
