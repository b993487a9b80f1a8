"""One small cure, done by its worker on the node, and what that gave."""

from __future__ import annotations

from typing import Final

from agent.actions import garbage_collect, table_key
from agent.actions.garbage_collect import Asked, Collected, Footprint
from agent.actions.restart import Locked
from agent.actions.table_key import Deleted, KeyFacts
from agent.probes.process import Process
from agent.terms import Pid
from collector.cleaning.models import CleaningAnswer, CleaningState, FootprintAnswer, ProcessCleaned
from collector.restarts.planning import Connection

COLLECTION_SECONDS: Final = 30.0  # for a process to come to it; then it does it when it does
DELETION_SECONDS: Final = 30.0


async def collect(
    connection: Connection, answer: CleaningAnswer, found: Process, pid: Pid, action_id: str
) -> CleaningAnswer:
    """Have the process collect its garbage. Raises `AgentError`: then it is not known whether it did."""
    report = await garbage_collect.execute(connection, pid, action_id, COLLECTION_SECONDS)
    about = ProcessCleaned(pid=found.row.pid, name=found.row.name)
    match report:
        case Collected(before, after, seconds):
            about = about.model_copy(
                update={"before": _footprint(before), "after": after and _footprint(after), "seconds": seconds}
            )
            gone = None if after is not None else "it has ended since"
            return answer.model_copy(update={"state": CleaningState.DONE, "process": about, "found": gone})
        case Asked(before, seconds):
            about = about.model_copy(update={"before": _footprint(before), "seconds": seconds})
            busy = "it is busy, and does it when it comes to it"
            return answer.model_copy(update={"state": CleaningState.ASKED, "process": about, "found": busy})
        case Locked(other):
            return _not_done(answer, f"another action was running on the node ({other or 'unnamed'})")
    return _not_done(answer, "the process has ended")


async def delete(connection: Connection, answer: CleaningAnswer, found: KeyFacts, action_id: str) -> CleaningAnswer:
    """Delete the key. Raises `AgentError`: then it is not known whether it was done."""
    report = await table_key.execute(connection, found, action_id, DELETION_SECONDS)
    match report:
        case Deleted(objects, before, after):
            assert answer.key is not None
            key = answer.key.model_copy(update={"objects": objects, "rows_before": before, "rows_after": after})
            return answer.model_copy(update={"state": CleaningState.DONE, "key": key})
        case Locked(other):
            return _not_done(answer, f"another action was running on the node ({other or 'unnamed'})")
    return _not_done(answer, "the table or the rows with this key changed at the last moment: look again")


def _not_done(answer: CleaningAnswer, found: str) -> CleaningAnswer:
    return answer.model_copy(update={"state": CleaningState.NOT_DONE, "found": found})


def _footprint(one: Footprint) -> FootprintAnswer:
    return FootprintAnswer(
        memory_bytes=one.memory_bytes, binary_bytes=one.binary_bytes, message_queue_len=one.message_queue_len
    )
