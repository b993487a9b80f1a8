"""The root causes that the playbook's sections name, and its error codes by category, in its own words."""

from __future__ import annotations

from typing import Final

EXHAUSTED: Final = "OOM or resource exhaustion"
NETWORK: Final = "Network connectivity"
OF_HEALTH: Final = (
    "Configuration error",
    "Dependency initialization failure",
    EXHAUSTED,
    NETWORK,
)

RESOURCES: Final = "Resource exhaustion (CPU, memory)"
ACTION_QUEUE: Final = "Action executor queue overflow"
CONGESTION: Final = "Network congestion"
OF_LATENCY: Final = (
    RESOURCES,
    "Firestore write latency",
    ACTION_QUEUE,
    CONGESTION,
)

BUFFER: Final = "Receipt buffer not flushing"
TABLE_GROWS: Final = "ETS table growing without limit"
MESSAGES: Final = "Process accumulating messages"
BINARIES: Final = "Binary garbage not collected"
OF_MEMORY: Final = (BUFFER, TABLE_GROWS, MESSAGES, BINARIES)

# Of the fourth question of the decision tree, which names one, and what is to be checked for it.
OF_RECEIPTS: Final = ("Firestore connectivity", "IAM permissions", "Quotas")

OF_CATEGORIES: Final = {
    400: ("invalid_message_format", "missing_field", "invalid_tenant_id"),
    422: ("entitlement_already_active", "state_error", "duplicate_message"),
    503: ("service_unavailable", "firestore_error", "governor_not_ready"),
    504: ("timeout", "processing_delay", "slow_response"),
}
