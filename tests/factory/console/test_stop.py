"""The way to stop everything, or one venture, over plain forms."""

import pytest
from django.db.models import Sum
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents.gateway.models import Call
from billing.models import Switch
from billing.services import open_switches
from core.models import Installation
from factory.work.models import Attempt
from portfolio.models import Product
from tests.factory.console.story import Story, a_story

pytestmark = pytest.mark.django_db


@pytest.fixture
def story(stranger: Client) -> Story:
    """Return a factory with one venture."""
    return a_story()


def press(client: Client, name: str, *args: str, **form: str) -> int:
    """Press a button of the page; return the status."""
    return client.post(reverse(name, args=args), form).status_code


def life_of(story: Story) -> str:
    """Return how the venture stands."""
    return Product.objects.get(pk=story.product.pk).state


@pytest.mark.parametrize(("role", "status"), [("owner", 303), ("operator", 303), ("viewer", 403)])
def test_owner_and_operator_stop_everything_in_two_taps(
    role: str, status: int, story: Story, request: pytest.FixtureRequest
) -> None:
    client: Client = request.getfixturevalue(role)

    home = client.get("/").content.decode()
    got = press(client, "stop")

    assert 'href="/stop/"' in home
    assert (got, Installation.objects.get().stopped_at is not None) == (status, status == 303)


def test_only_the_owner_starts_again(story: Story, owner: Client, operator: Client) -> None:
    press(operator, "stop")

    assert (press(operator, "start"), Installation.objects.get().stopped_at is None) == (403, False)
    assert (press(owner, "start"), Installation.objects.get().stopped_at is None) == (303, True)


@pytest.mark.parametrize(("role", "status"), [("owner", 303), ("operator", 303), ("viewer", 403)])
def test_owner_and_operator_stop_one_venture(
    role: str, status: int, story: Story, request: pytest.FixtureRequest
) -> None:
    got = press(request.getfixturevalue(role), "stop-venture", story.product.slug, do="stop")

    assert (got, life_of(story) == "frozen") == (status, status == 303)
    assert Installation.objects.get().stopped_at is None


def test_only_the_owner_lets_a_venture_go_on(story: Story, owner: Client, operator: Client) -> None:
    press(owner, "stop-venture", story.product.slug, do="stop")

    assert press(operator, "stop-venture", story.product.slug, do="go-on") == 403
    assert "Let Nightwatch go on" not in operator.get("/stop/").content.decode()
    assert life_of(story) == "frozen"
    assert press(owner, "stop-venture", story.product.slug, do="go-on") == 303
    assert life_of(story) == "launched"


def test_a_venture_that_rests_already_is_not_stopped_again(story: Story, owner: Client) -> None:
    press(owner, "stop-venture", story.product.slug, do="stop")

    again = owner.post(reverse("stop-venture", args=[story.product.slug]), {"do": "stop"})

    assert (again.status_code, "rests already" in again.content.decode()) == (409, True)
    assert press(owner, "stop-venture", "nobody", do="stop") == 404


@pytest.mark.django_db(transaction=True)
def test_a_stop_holds_before_anyone_heard_of_it(story: Story, owner: Client) -> None:
    status = press(owner, "stop")

    assert status == 303
    assert Installation.objects.get().stopped_at is not None
    assert "Everything is stopped" in owner.get("/").content.decode()


def test_every_stop_is_the_same_switch_and_says_who_and_why(
    story: Story, owner: Client, operator: Client
) -> None:
    press(operator, "stop")
    off = open_switches()
    press(owner, "start")

    assert [(one.kind, one.by, bool(one.reason)) for one in off] == [
        ("global", "operator:the-operator", True)
    ]
    assert open_switches() == []
    assert Switch.objects.get().cleared_by == "owner:the-owner"


def test_before_it_starts_again_the_owner_sees_who_spent_and_what_ran_in_a_circle(
    story: Story, owner: Client
) -> None:
    running = owner.get(reverse("stop")).content.decode()
    attempt = Attempt.objects.filter(state="failed", agent__isnull=False).latest("claimed_at")
    Attempt.objects.filter(pk=attempt.pk).update(
        error_class="stuck", error="The same step three times.", ended_at=timezone.now()
    )
    press(owner, "stop")

    stopped = owner.get(reverse("stop")).content.decode()

    assert "Before you start again" not in running
    assert "Before you start again" in stopped
    dearest = Call.objects.values_list("agent").annotate(cost=Sum("cost_microusd")).order_by("-cost").first()
    assert dearest
    assert f"<dt>{dearest[0]}</dt>" in stopped
    assert attempt.task.title in stopped
    assert "The same step three times." in stopped
