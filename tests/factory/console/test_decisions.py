"""The owner's one answer, over plain forms."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from approvals.models import Decision, Request
from approvals.services import expire_requests
from core.models import AuditRow
from core.services import advance_to
from factory.delivery.models import Release
from tests.factory.console.story import Story, a_story

pytestmark = pytest.mark.django_db


@pytest.fixture
def story(stranger: Client) -> Story:
    """Return a factory with two open questions."""
    return a_story()


@pytest.fixture
def ask(story: Story) -> Request:
    """Return the question about a release."""
    return story.waiting[0]


def answer(client: Client, ask: Request, **form: str) -> tuple[int, str]:
    """Send a form as a browser without scripts does; return status and page."""
    got = client.post(reverse("decision", args=[ask.pk]), {"digest": ask.digest, **form})
    return got.status_code, got.content.decode()


def test_a_yes_is_taken_once_and_the_page_shows_it(owner: Client, ask: Request) -> None:
    status, _ = answer(owner, ask, answer="approve", words="")

    page = owner.get(reverse("decision", args=[ask.pk])).content.decode()
    assert status == 303
    assert Decision.objects.get(request=ask).answer == "approve"
    assert "You said yes: what happens" in page
    assert 'value="approve"' not in page


def test_a_change_carries_the_owners_words(owner: Client, ask: Request) -> None:
    answer(owner, ask, answer="change", words="Only the waiting list first.")

    assert Decision.objects.get(request=ask).words == "Only the waiting list first."
    assert "“Only the waiting list first.”" in owner.get(reverse("decision", args=[ask.pk])).content.decode()


def test_a_change_without_words_is_asked_back(owner: Client, ask: Request) -> None:
    status, page = answer(owner, ask, answer="change", words="  ")

    assert status == 400
    assert "Say in a few words what should be different." in page
    assert not Decision.objects.filter(request=ask).exists()


def test_a_no_joins_the_picked_reason_and_the_written_one(owner: Client, ask: Request) -> None:
    answer(owner, ask, answer="reject", why="Not now", words="After the holidays.")

    assert Decision.objects.get(request=ask).words == "Not now. After the holidays."
    assert AuditRow.objects.filter(verb="story.no").count() == 3


def test_a_second_answer_gets_the_first_and_changes_nothing(owner: Client, ask: Request) -> None:
    answer(owner, ask, answer="approve")

    status, page = answer(owner, ask, answer="reject", words="No")

    assert status == 409
    assert "the first answer stands" in page
    assert "Answered already" in page
    assert Decision.objects.get(request=ask).answer == "approve"


def test_an_answer_to_what_has_changed_is_refused_and_every_button_is_off(
    owner: Client, ask: Request
) -> None:
    status, page = answer(owner, ask, answer="approve", digest="0" * 64)

    assert status == 409
    assert "This changed while you read it." in page
    assert "Read anew" in page
    assert 'type="submit" name="answer"' not in page
    assert not Decision.objects.filter(request=ask).exists()


def test_after_the_deadline_silence_has_refused(owner: Client, ask: Request) -> None:
    advance_to(ask.deadline + timedelta(seconds=1))
    expire_requests()

    status, page = answer(owner, ask, answer="approve")

    assert status == 409
    assert "The time for an answer is over; it counted as no." in page
    assert "No answer: counted as no" in page


def test_the_minute_before_silence_is_noted_no_form_is_offered(owner: Client, ask: Request) -> None:
    advance_to(ask.deadline + timedelta(seconds=1))

    page = owner.get(reverse("decision", args=[ask.pk])).content.decode()

    assert 'name="answer"' not in page
    assert "The time for an answer is over" in page


@pytest.mark.parametrize("role", ["operator", "viewer"])
def test_only_the_owner_answers(role: str, ask: Request, request: pytest.FixtureRequest) -> None:
    client: Client = request.getfixturevalue(role)

    status, page = answer(client, ask, answer="approve")

    assert status == 403
    assert "Only the owner may do this" in page
    assert not Decision.objects.filter(request=ask).exists()
    assert 'name="answer"' not in client.get(reverse("decision", args=[ask.pk])).content.decode()


def test_a_stranger_cannot_answer(stranger: Client, ask: Request) -> None:
    status, _ = answer(stranger, ask, answer="approve")

    assert status == 302
    assert not Decision.objects.filter(request=ask).exists()


def test_a_form_from_elsewhere_is_not_taken(story: Story, ask: Request) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(story.owner)

    status, page = answer(careful, ask, answer="approve")

    assert status == 403
    assert "This was not taken" in page
    assert not Decision.objects.filter(request=ask).exists()


@pytest.mark.parametrize(
    ("state", "words"),
    [("trying", "Doing<span"), ("live", "Done<span"), ("refused", "Failed<span")],
)
def test_the_way_of_a_yes_is_read_from_what_it_was_bound_to(
    state: str, words: str, owner: Client, story: Story, ask: Request
) -> None:
    answer(owner, ask, answer="approve")
    Release.objects.filter(pk=story.releases[0].pk).update(state=state, why="the proof was red")

    page = owner.get(reverse("decision", args=[ask.pk])).content.decode()

    mark = {"trying": "on", "live": "ok", "refused": "bad"}[state]
    assert f'<li class="{mark}">{words}' in page


def test_a_failed_effect_says_why_and_that_the_yes_is_used_up(
    owner: Client, story: Story, ask: Request
) -> None:
    answer(owner, ask, answer="approve")
    Release.objects.filter(pk=story.releases[0].pk).update(state="refused", why="The proof was red")

    page = owner.get(reverse("decision", args=[ask.pk])).content.decode()

    assert "The proof was red. Your yes is used up" in page


def test_with_scripts_a_yes_waits_three_seconds_and_without_it_does_not(owner: Client, ask: Request) -> None:
    path, wanted = reverse("decision", args=[ask.pk]), {"HX-Request": "true", "HX-Target": "yes"}

    whole = owner.get(path).content.decode()
    first = owner.get(path, headers=wanted).content.decode()
    then = owner.get(f"{path}?ready=1", headers=wanted).content.decode()

    assert "disabled" not in whole
    assert "disabled" in first
    assert "load delay:3s" in first
    assert "disabled" not in then
    assert 'value="approve"' in then


def test_an_answered_question_asks_again_for_its_effect_only_while_it_moves(
    owner: Client, story: Story, ask: Request
) -> None:
    Release.objects.filter(version=1).update(state="trying")
    answer(owner, ask, answer="approve")
    moving = owner.get(reverse("decision", args=[ask.pk])).content.decode()
    Release.objects.filter(version=1).update(state="live")

    still = owner.get(reverse("decision", args=[ask.pk])).content.decode()

    assert "every 2s" in moving
    assert "every 2s" not in still


def test_most_money_per_hour_left_comes_first(owner: Client, story: Story) -> None:
    page = owner.get(reverse("decisions")).content.decode()

    assert page.index(story.waiting[1].title) < page.index(story.waiting[0].title)
    assert "Together at worst $29.40, and 1 not known yet" in page


@pytest.mark.parametrize(
    ("chosen", "shown", "hidden"),
    [("no", "Lower the small plan", "Write to 10"), ("change", "Write to 10", "Lower the small plan"), ("yes", "Open version 1", "Write to 10")],
)  # fmt: skip
def test_history_is_filtered_by_answer(
    owner: Client, story: Story, chosen: str, shown: str, hidden: str
) -> None:
    page = owner.get(reverse("decisions"), {"answer": chosen}).content.decode()

    assert shown in page
    assert hidden not in page


@pytest.mark.parametrize("query", ["answer=nonsense", "page=999999", "page=x"])
def test_a_strange_filter_is_the_whole_list(owner: Client, story: Story, query: str) -> None:
    assert owner.get(f"{reverse('decisions')}?{query}").status_code == 200
