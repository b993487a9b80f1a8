"""Talk to a BEAM node as a hidden node, and ask it things. Usable without the collector.

::

    async with Node(Target.parse("tai@127.0.0.1"), read_cookie_file(path)) as node:
        memory = await node.session().call("erlang", "memory", [], deadline_seconds=2)
"""

from agent.batch import Caller
from agent.cookie import parse_cookie, read_cookie_file, read_default_cookie_file
from agent.handshake import Cookie, Identity
from agent.names import NodeName, Target
from agent.node import Down, Node, State, Up
from agent.session import Options, Session, connect
from agent.terms import Atom, Map, Pid, Term

__all__ = [
    "Atom",
    "Caller",
    "Cookie",
    "Down",
    "Identity",
    "Map",
    "Node",
    "NodeName",
    "Options",
    "Pid",
    "Session",
    "State",
    "Target",
    "Term",
    "Up",
    "connect",
    "parse_cookie",
    "read_cookie_file",
    "read_default_cookie_file",
]
