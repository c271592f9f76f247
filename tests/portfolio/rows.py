"""Stored ideas, and what was told of them."""

from pathlib import Path
from uuid import uuid4

from django.conf import settings

from core.models import Event
from portfolio.models import Opportunity

RECORDED = Path(settings.DATA_DIR) / "traffic" / "recorded.jsonl"


def an_opportunity(**changes: object) -> Opportunity:
    """Return a stored idea that may be tested; `changes` are columns."""
    said = {
        "name": f"opp-{uuid4().hex[:10]}", "title": "Sheets break", "problem": "They break.", "category": "micro_saas",
        "state": "scored", "points": 70.0, "low": 40.0, "high": 80.0, "centre": "", "scale": "s", "mode": "rehearsal",
    }  # fmt: skip
    return Opportunity.objects.create(**{**said, **changes})


def events(kind: str) -> list[Event]:
    """Return what was told of this kind, in order."""
    return list(Event.objects.filter(kind=f"portfolio.{kind}").order_by("sequence"))
