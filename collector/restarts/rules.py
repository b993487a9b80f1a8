"""What the settings say of restarts."""

from __future__ import annotations

from agent.actions.plan import Policy
from collector.restarts.runner import Rules
from collector.settings import Settings


def rules_of(settings: Settings, *, is_watched: bool = True) -> Rules:
    """Take the rules out of the settings. Not ``is_watched``: whoever asks will not wait to see whether it held."""
    return Rules(
        policy=Policy(
            applications=settings.restart_applications,
            denied_applications=settings.restart_denied_applications,
            cooldown_seconds=settings.restart_cooldown_seconds,
            max_actions=settings.restart_max_actions,
            window_seconds=settings.restart_window_seconds,
        ),
        retries=settings.restart_retries,
        watch_seconds=settings.watch_minutes * 60 if is_watched else 0.0,
        service_url=settings.service_url,
    )
