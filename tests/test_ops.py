"""/ops/: every row can be looked at, none can be written past a service, and only by whom it may."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from agents.roster.models import Agent, CapabilityToken
from approvals.models import Decision, Request
from core.models import AuditRow, User
from factory.work.models import DeadLetter, Task
from tests.builders import a_task, a_user, an_agent, an_assignment
from tests.factory.console.story import Story, a_story

OURS = [
    model for model in apps.get_models() if model.__module__.split(".")[0] in
    ("core", "approvals", "billing", "agents", "portfolio", "factory") and not model._meta.auto_created
]  # fmt: skip
READ_ONLY = [model for model in OURS if model in admin.site._registry]


@pytest.fixture
def story(db: None) -> Story:
    """Return a factory in which something happened."""
    said = a_story()
    an_assignment(Agent.objects.get(name="Rex"))
    task = a_task(kind="story.check")
    Task.objects.filter(pk=task.pk).update(state=Task.State.DEAD_LETTER)
    DeadLetter.objects.create(task=task, error_class="permanent", error="no such file")
    return said


def signed_in(user: User) -> Client:
    """Return the browser of somebody."""
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def owner(story: Story) -> Client:
    """Return the owner's browser."""
    return signed_in(story.owner)


@pytest.fixture
def operator(story: Story) -> Client:
    """Return an operator's browser."""
    return signed_in(a_user(role=User.Role.OPERATOR))


def address(model: type[Model], page: str, *words: Any) -> str:
    """Return the address of one of the admin's pages."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=words)


def act(client: Client, model: type[Model], action: str, *rows: Model, **more: str) -> list[str]:
    """Carry out an action of a list on some rows; return what was said."""
    chosen = {ACTION_CHECKBOX_NAME: [str(row.pk) for row in rows], "action": action, **more}
    answer = client.post(address(model, "changelist"), chosen, follow=True)
    return [str(message) for message in answer.context["messages"]]


def pages(model: type[Model]) -> Iterator[str]:
    """Yield the pages of a model that may be looked at."""
    yield address(model, "changelist")
    if model._meta.pk.get_internal_type() == "UUIDField" or admin.site._registry[model].search_fields:
        yield f"{address(model, 'changelist')}?q=0199"
    for row in model._default_manager.all()[:1]:
        yield address(model, "change", row.pk)


def test_every_row_of_ours_stands_in_the_admin() -> None:
    assert [model.__name__ for model in OURS if model not in admin.site._registry] == []


def test_every_list_search_and_row_opens_for_an_operator(operator: Client) -> None:
    opened = {page: operator.get(page).status_code for model in READ_ONLY for page in pages(model)}

    assert {page: status for page, status in opened.items() if status != 200} == {}
    assert len(opened) > 2 * len(READ_ONLY)


def test_nobody_writes_a_row_by_hand_not_even_the_owner(owner: Client) -> None:
    tried = {}
    for model in READ_ONLY:
        row = model._default_manager.first()
        names = ["delete", "change"] if row else []
        for page, words in [("add", ()), *((name, (row.pk,)) for name in names if row)]:
            place = address(model, page, *words)
            tried[place] = owner.post(place, {"post": "yes"}).status_code

    assert set(tried.values()) == {403}


def test_no_secret_not_even_its_fingerprint_stands_on_a_page(operator: Client) -> None:
    token = CapabilityToken.objects.get()

    page = operator.get(address(CapabilityToken, "change", token.pk)).content.decode()

    assert token.token_sha256 not in page
    assert str(token.assignment_id) in page


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("operator", 200), ("viewer", 403)])
def test_who_may_open_it_is_said_by_the_role(story: Story, role: str, status: int) -> None:
    assert signed_in(a_user(role=role)).get(reverse("admin:index"), follow=True).status_code == status


def test_a_stranger_is_sent_to_the_one_front_door(story: Story) -> None:
    answer = Client().get(reverse("admin:index"), follow=True)

    assert answer.redirect_chain[-1][0].startswith(reverse("login"))


def test_the_owner_answers_in_the_admin_what_was_shown_and_once(owner: Client, story: Story) -> None:
    asked = story.waiting[0]
    shown = {"confirmed": "yes", f"digest-{asked.pk}": asked.digest}

    first = act(owner, Request, "approve", asked, **shown)
    second = act(owner, Request, "reject", asked, **shown)

    assert first == [f"{asked}: answered."]
    assert "first answer stands" in second[0]
    assert Decision.objects.get(request=asked).answer == "approve"


def test_an_answer_is_first_shown_then_given(owner: Client, story: Story) -> None:
    asked = story.waiting[0]
    chosen = {ACTION_CHECKBOX_NAME: [str(asked.pk)], "action": "approve"}

    page = owner.post(address(Request, "changelist"), chosen).content.decode()

    assert asked.on_yes.splitlines()[0] in page
    assert asked.digest in page
    assert not Decision.objects.filter(request=asked).exists()


def test_an_answer_to_something_else_is_refused(owner: Client, story: Story) -> None:
    asked = story.waiting[0]

    said = act(owner, Request, "approve", asked, **{"confirmed": "yes", f"digest-{asked.pk}": "0" * 64})

    assert "no longer what was shown" in said[0]
    assert not Decision.objects.filter(request=asked).exists()


def test_an_operator_is_not_offered_the_owners_answers(operator: Client, story: Story) -> None:
    asked = story.waiting[0]
    page = operator.get(address(Request, "changelist")).content.decode()

    act(operator, Request, "approve", asked, **{"confirmed": "yes", f"digest-{asked.pk}": asked.digest})

    assert "Say yes" not in page
    assert not Decision.objects.filter(request=asked).exists()


def test_an_operator_puts_a_given_up_task_back(operator: Client, story: Story) -> None:
    letter = DeadLetter.objects.get(error="no such file")

    act(operator, DeadLetter, "retry", letter)

    assert Task.objects.get(pk=letter.task_id).state == Task.State.READY
    assert AuditRow.objects.get(verb="work.resolve_dead_letter").actor.startswith("operator:")


def test_an_operator_switches_an_agent_off_and_revokes_a_token(operator: Client, story: Story) -> None:
    agent = an_agent("Glim")
    token = CapabilityToken.objects.get()

    act(operator, Agent, "switch_off", agent)
    act(operator, CapabilityToken, "revoke", token)

    agent.refresh_from_db()
    token.refresh_from_db()
    assert not agent.is_enabled
    assert token.revoked_at is not None
