"""Two providers to ask in haste, and what the books say afterwards."""

import threading
from typing import Any

import pytest

from agents.gateway.models import Call
from agents.gateway.ports import Ask, Intent, Patience
from agents.gateway.services import complete
from billing.models import Entry, Hold, Window

HASTE = Patience(first_token_s=0.5, silence_s=0.5, total_s=5, budget_s=0.3)
CLAUDE = Intent(quality="best", not_provider="openai")
GPT = Intent(quality="best")
BOTH = pytest.mark.parametrize("intent", [GPT, CLAUDE], ids=["openai", "anthropic"])


def ask_now(ask: Ask, *, patience: Patience = HASTE) -> Any:
    """Complete `ask` and return the reply."""
    return complete(ask, stop=threading.Event(), patience=patience)


def rows() -> list[tuple[str, str, str]]:
    """Return (model, status, fault) of every attempt, in order."""
    calls = Call.objects.order_by("started_at", "id").select_related("model")
    return [(call.model.name, call.status, call.fault) for call in calls]


def books_agree() -> bool:
    """Say whether nothing is held and calls, ledger and windows tell one sum."""
    spent = Window.objects.get(scope__kind="factory", period="month").spent_microusd
    sums = {Call.objects.total_microusd(), Entry.objects.total_microusd(), spent}
    return len(sums) == 1 and not Hold.objects.open().exists()
