"""The name of an effect."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from core.ids import digest_of


def effect_key(task_id: UUID, *, purpose: str, arguments: Mapping[str, Any]) -> str:
    """Return the idempotency key of an intent: other arguments, such as another amount, are another intent. Source: U-9."""
    return digest_of([str(task_id), purpose, arguments])
