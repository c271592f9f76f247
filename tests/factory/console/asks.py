"""More questions beside those of the story, and an answer to one."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.test import Client
from django.urls import reverse

from approvals.models import Request
from core.ids import correlation, new_id
from core.registry import register_action
from core.services import audit
from tests.builders import a_request
from tests.factory.console.story import Story


def note(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Leave a row."""
    audit(actor="test", verb="story.noted", subject=str(decision_id))


register_action("story.hold", schema={"type": "object"}, on_no=note, on_take_back=note)(note)


def answer(client: Client, ask: Request, **form: str) -> tuple[int, str]:
    """Send a form as a browser without scripts does; return status and page."""
    got = client.post(reverse("decision", args=[ask.pk]), {"digest": ask.digest, **form})
    return got.status_code, got.content.decode()


def equal_refunds(story: Story, *, count: int = 8) -> list[Request]:
    """Return equal questions about refunds of $7.00."""
    return [
        a_request(
            action="story.go", asked_by="agent:Dot", product=story.product.name, arguments={"n": n}, worst_case_microusd=7_000_000,
            title="Refund a customer $7.00?", reason="The list page was slow for half an hour.", binds={"amount_microusd": 7_000_000},
            on_yes=f"Customer {n} gets $7.00 back.", on_no=f"Customer {n} keeps paying.", is_reversible=False,
        )
        for n in range(count)
    ]  # fmt: skip


def a_bundle(story: Story, *, count: int = 3) -> list[Request]:
    """Return questions of one story that come together."""
    token = correlation.set(new_id())
    try:
        return [
            a_request(
                action="story.go", asked_by="agent:Blaze", product=story.product.name, arguments={"n": n},
                title=f"Post note {n} of {count}?", worst_case_microusd=n * 10_000_000,
            )
            for n in range(1, count + 1)
        ]  # fmt: skip
    finally:
        correlation.reset(token)
