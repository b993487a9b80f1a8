"""A request that was made before: told again from the journal, with what became of it then."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from collector.cleaning.models import CleaningAnswer, CleaningRequest, CleaningState
from collector.journal.chain import Entry, Kind
from collector.models import NodeReference

_CLOSING = (Kind.OUTCOME, Kind.RECONCILED)


def digest_of(request: CleaningRequest, who: str) -> str:
    """Return what is the same for two requests only if the same person asks for the same."""
    what = f"{who}\n{type(request).__name__}\n{request.model_dump_json()}"
    return hashlib.sha256(what.encode(errors="replace")).hexdigest()


def answer_again(entries: Sequence[Entry], instance_id: str | None) -> CleaningAnswer:
    """Tell an action from all its entries in their order: at least one, the intent."""
    intent = entries[0]
    closing = next((entry for entry in reversed(entries) if entry.kind in _CLOSING), None)
    end = {} if closing is None else closing.body
    result = end.get("result")
    creation = intent.body.get("creation")
    return CleaningAnswer.model_validate(
        {
            "node": NodeReference(
                name=intent.node,
                creation=creation if isinstance(creation, int) else None,
                instance_id=instance_id,
            ),
            "action": intent.body.get("action"),
            "state": end.get("outcome") or CleaningState.UNKNOWN,
            "action_id": intent.action_id,
            "allowed": True,
            "found": end.get("found") if closing else "it has begun, and its end is not known yet",
            **(result if isinstance(result, Mapping) else {}),
        }
    )
