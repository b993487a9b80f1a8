"""Ports: sockets, files and programs outside, and which have data waiting."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from agent.probes import ports
from agent.probes.ports import Ports
from collector.models import ProbeAnswer
from collector.question import SWEEP_SECONDS, Question
from collector.snapshot import Snapshot
from collector.views import DEFAULT_LIMIT, Limit, Query, View, head, need


class PortsQuery(Query):
    """Parameters of ``/ports``."""

    limit: Limit = DEFAULT_LIMIT


class PortAnswerRow(BaseModel):
    """One port."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=["#Port<0.5>"])
    name: str = Field(description="Its driver, or the program that it runs, without arguments.", examples=["tcp_inet"])
    owner: str = Field(description="The process that it is connected to.", examples=["<0.123.0>"])
    owner_name: str | None = Field(description="Its registered name.", examples=["tai_http"])
    queue_bytes: int = Field(description="What waits inside for the outside to take it.", examples=[0])
    input_bytes: int = Field(description="Read so far.", examples=[204_800])
    output_bytes: int = Field(description="Written so far.", examples=[409_600])


class PortsAnswer(ProbeAnswer):
    """All ports together, and those with the longest queues."""

    port_count: int = Field(examples=[12])
    port_limit: int = Field(examples=[65_536])
    queue_bytes: int = Field(description="What waits in all ports together.", examples=[0])
    not_answering: list[str] = Field(
        description="Ports that their driver holds: nothing is known of these.", examples=[["#Port<0.7>"]]
    )
    ports: list[PortAnswerRow]

    @classmethod
    def of(cls, snapshot: Snapshot, query: PortsQuery) -> Self:
        """Make the answer of a snapshot. Raises `NoAnswer`."""
        found = need(snapshot, "ports", Ports)
        return cls.model_validate(
            head(snapshot, "ports", found.left_out)
            | {
                "port_count": found.count,
                "port_limit": found.limit,
                "queue_bytes": found.queue_bytes,
                "not_answering": found.not_answering,
                "ports": found.by_queue[: query.limit],
            }
        )


SWEEP_PORTS = Question("ports", ports.ask, deadline_seconds=SWEEP_SECONDS, is_sweep=True)
PORTS = View("ports", lambda _query, _settings: SWEEP_PORTS, PortsAnswer, PortsAnswer.of)
