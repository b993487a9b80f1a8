"""Why a child that could not be looked at any closer is not restarted: what stands before its supervisor."""

from __future__ import annotations

from typing import Final

from agent.actions.guards import Guard, Refusal
from agent.restarting import NoFacts, Obstacle
from agent.supervision import Kind, Status, Supervisor

# Their state is that of supervisor.erl; of the others, restart_child ends some and their children with them.
OTP_KINDS: Final = frozenset({Kind.SUPERVISOR, Kind.ELIXIR_SUPERVISOR, Kind.PARTITION_SUPERVISOR})


def of_obstacle(found: NoFacts) -> Refusal:
    """Say why a child that could not be looked at is not restarted."""
    supervisor = found.supervisor
    match found.obstacle:
        case Obstacle.APPLICATION_TOP:
            return Refusal(
                Guard.APPLICATION_TOP,
                f"it is the top of the application {found.application}, which no supervisor restarts: restart a child "
                "of it, or the node",
            )
        case Obstacle.NO_PARENT:
            return Refusal(Guard.NO_SUPERVISOR, "no living process is its parent: name the supervisor that has it")
        case Obstacle.SUPERVISOR_GONE:
            return Refusal(Guard.NO_SUPERVISOR, "its supervisor has ended: look at the tree again")
        case Obstacle.TOO_MANY:
            return Refusal(Guard.TOO_LARGE, "more processes hang on it than are looked at: restart what is below it")
        case Obstacle.SHARED_SPEC if (
            supervisor is not None and supervisor.kind in OTP_KINDS and supervisor.status is Status.RUNNING
        ):
            return Refusal(
                Guard.SHARED_SPEC,
                f"the children of {name_of(supervisor)} share one spec (simple_one_for_one): one that is ended is not "
                "started again. Whoever started it has to, or restart the supervisor itself",
            )
        case Obstacle.NOT_OTP | Obstacle.SHARED_SPEC:
            return not_otp(supervisor)
    return _not_asked(supervisor)


def not_otp(supervisor: Supervisor | None) -> Refusal:
    """Refuse what belongs to a supervisor that is not OTP's own."""
    kind = supervisor.kind if supervisor is not None else None
    if supervisor is None or kind is None or (kind in OTP_KINDS and supervisor.status is not Status.RUNNING):
        kind_of_it = "of a kind or release that we do not know"
    else:
        kind_of_it = str(kind)
    return Refusal(
        Guard.NOT_OTP_SUPERVISOR,
        f"its supervisor is not OTP's own ({kind_of_it}): asking that one to restart a child can end it and all its "
        "children",
    )


def _not_asked(supervisor: Supervisor | None) -> Refusal:
    if supervisor is None:
        return Refusal(Guard.NO_SUPERVISOR, "its supervisor has ended: look at the tree again")
    name, status = name_of(supervisor), supervisor.status
    if status is Status.SUSPENDED:
        return Refusal(Guard.SUPERVISOR_SUSPENDED, f"{name} is suspended (sys:suspend): somebody has to resume it")
    if status is Status.NOT_A_SUPERVISOR:
        return Refusal(Guard.NOT_A_SUPERVISOR, f"{name} is no supervisor, so it has no children to restart")
    if status in (Status.UNKNOWN_STATE, Status.KIND_UNKNOWN):
        return not_otp(supervisor)
    if status is Status.TOO_LARGE:
        return Refusal(Guard.TOO_LARGE, f"{name} holds so much that looking at it would harm the node")
    return Refusal(
        Guard.SUPERVISOR_NOT_ANSWERING,
        f"{name} is busy in {supervisor.current_function} with {supervisor.message_queue_len} messages waiting: it "
        "would not take the request. Look what it waits for; it may be starting or ending a child",
    )


def name_of(supervisor: Supervisor) -> str:
    """Return what a supervisor is called in a sentence."""
    return supervisor.name or supervisor.pid
