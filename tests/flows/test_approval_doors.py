"""One question, four doors at once: one decision, one effect, and every other door is told the first answer."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import connection
from django.test import Client
from django.urls import reverse

from approvals.models import Decision, Request
from core.models import AuditRow, User
from core.services import issue_device_token
from factory.console.management.verbs import run_verb
from factory.console.management.verbs.entry import CONFLICT
from tests.callers import bearer, call
from tests.factory.console.story import Story, a_story

DOORS = ("page", "rest", "admin")
EACH = 5


@pytest.fixture(name="story")
def one_story(transactional_db: None) -> Story:
    """Return a factory with an open question."""
    return a_story()


def by_page(owner: User, ask: Request) -> Callable[[], bool]:
    """Return a way to say yes on the page: True when it was taken."""
    client = Client()
    client.force_login(owner)
    form = {"answer": "approve", "digest": ask.digest}
    return lambda: client.post(reverse("decision", args=[ask.pk]), form).status_code == 303


def by_rest(owner: User, ask: Request) -> Callable[[], bool]:
    """Return a way to say yes through the API."""
    client = bearer(issue_device_token(owner, name="phone", by="test")[1])

    def say_yes() -> bool:
        status = call(client, f"approvals/{ask.pk}/resolve", answer="approve", digest=ask.digest).status_code
        assert status in {200, 409}
        return bool(status == 200)

    return say_yes


def by_admin(owner: User, ask: Request) -> Callable[[], bool]:
    """Return a way to say yes in the admin."""
    client = Client()
    client.force_login(owner)
    form = {ACTION_CHECKBOX_NAME: [str(ask.pk)], "action": "approve", "confirmed": "yes", f"digest-{ask.pk}": ask.digest}  # fmt: skip

    def say_yes() -> bool:
        answer = client.post(reverse("admin:approvals_request_changelist"), form, follow=True)
        return any("answered." in str(message) for message in answer.context["messages"])

    return say_yes


WAYS = {"page": by_page, "rest": by_rest, "admin": by_admin}


def closing(way: Callable[[], bool]) -> bool:
    """Go one way, and leave no connection behind."""
    try:
        return way()
    finally:
        connection.close()


def test_of_many_doors_at_once_one_is_heard(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    ask = story.waiting[0]
    ways = [WAYS[door](story.owner, ask) for door in DOORS for _ in range(EACH)]

    with ThreadPoolExecutor(len(ways)) as crowd:
        taken = list(crowd.map(closing, ways))
    with pytest.raises(SystemExit) as ended:
        run_verb(["reject", ask.pk.hex[-8:], "--as", story.owner.username])

    decision = Decision.objects.get(request=ask)
    assert sum(taken) == 1
    assert decision.channel == DOORS[taken.index(True) // EACH]
    assert AuditRow.objects.filter(verb="story.yes", subject=str(decision.pk)).count() == 1
    assert ended.value.code == CONFLICT
    assert "first answer stands" in capsys.readouterr().err
