"""Several questions on one card: answered together, each by itself, or not at all."""

from collections.abc import Sequence

import pytest
from django.test import Client
from django.urls import reverse

from approvals.models import Decision, Request
from core.ids import new_id
from tests.factory.console.asks import a_bundle, answer, equal_refunds
from tests.factory.console.story import Story

pytestmark = pytest.mark.django_db


@pytest.fixture
def ask(story: Story) -> Request:
    """Return the question about a release."""
    return story.waiting[0]


def answer_together(client: Client, asks: Sequence[Request], **form: str) -> tuple[int, str]:
    """Send the form of a card with several questions as a browser without scripts does; return status and page."""
    shown = {f"shown-{ask.pk}": ask.digest for ask in asks}
    got = client.post(reverse("together", args=[asks[0].pk]), {**shown, **form}, follow=True)
    return got.status_code, got.content.decode()


def test_eight_equal_asks_are_one_row_and_can_be_split(owner: Client, story: Story) -> None:
    refunds = equal_refunds(story)
    links = [f'href="{reverse("decision", args=[refund.pk])}"' for refund in refunds]

    together, split = (
        owner.get(reverse("decisions"), said).content.decode() for said in ({}, {"split": "1"})
    )

    assert "8 equal asks: Refund a customer $7.00?" in together
    assert "$56.00" in together
    assert [link in together for link in links] == [False] * 8
    assert [link in split for link in links] == [True] * 8


def test_one_yes_answers_all_eight(owner: Client, story: Story) -> None:
    refunds = equal_refunds(story)

    status, page = answer_together(owner, refunds, how="approve")

    assert status == 200
    assert "Answered 8 of them" in page
    assert Decision.objects.filter(request__in=refunds, answer="approve").count() == 8


def test_in_a_bundle_only_what_is_marked_is_answered(owner: Client, story: Story) -> None:
    first, second, third = asks = a_bundle(story)
    marked = {f"say-{first.pk}": "approve", f"say-{third.pk}": "reject"}

    page = owner.get(reverse("together", args=[first.pk])).content.decode()
    answer_together(owner, asks, how="marked", **marked)

    assert " checked" not in page, "nothing is marked beforehand"
    said = dict(Decision.objects.filter(request__in=asks).values_list("request", "answer"))
    assert said == {first.pk: "approve", third.pk: "reject"}
    assert Request.objects.get(pk=second.pk).state == "pending"


@pytest.mark.parametrize("form", [{"how": "marked"}, {"how": "perhaps"}, {"how": "approve", "shown-x": "y"}])
def test_an_answer_that_is_not_complete_takes_none(owner: Client, story: Story, form: dict[str, str]) -> None:
    asks = a_bundle(story)

    status, page = answer_together(owner, asks, **form)

    assert status == 400
    assert "Not taken." in page
    assert not Decision.objects.filter(request__in=asks).exists()


def test_when_one_of_them_was_answered_meanwhile_none_is_taken(owner: Client, story: Story) -> None:
    refunds = equal_refunds(story)
    answer(owner, refunds[5], answer="reject")

    status, page = answer_together(owner, refunds, how="approve")

    assert status == 409
    assert "None of your answers was taken" in page
    assert Decision.objects.filter(request__in=refunds).count() == 1


@pytest.mark.parametrize("role", ["operator", "viewer"])
def test_only_the_owner_answers_together_and_takes_back(
    role: str, story: Story, request: pytest.FixtureRequest
) -> None:
    refunds, client = equal_refunds(story), request.getfixturevalue(role)

    assert answer_together(client, refunds, how="approve")[0] == 403
    assert client.post(reverse("take-back", args=[refunds[0].pk])).status_code == 403
    assert not Decision.objects.filter(request__in=refunds).exists()


def test_a_card_that_is_gone_leads_to_what_became_of_it(owner: Client, ask: Request) -> None:
    alone = owner.get(reverse("together", args=[ask.pk]))
    nothing = owner.get(reverse("together", args=[new_id()]))

    assert (alone.status_code, alone["Location"]) == (303, reverse("decision", args=[ask.pk]))
    assert nothing.status_code == 404
