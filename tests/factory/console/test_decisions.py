"""The owner's one answer, over plain forms."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.models import Decision, Request
from approvals.services import expire_requests
from core.ids import new_id
from core.models import AuditRow
from core.services import advance_to, business_now, change_setting
from factory.console.views.seen import note_of
from factory.delivery.models import Release
from factory.work.rules import TaskSpec
from tests.builders import a_graph, a_request, a_task
from tests.factory.console.asks import answer
from tests.factory.console.story import Story

pytestmark = pytest.mark.django_db


@pytest.fixture
def ask(story: Story) -> Request:
    """Return the question about a release."""
    return story.waiting[0]


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


def test_how_long_a_yes_waits_is_a_setting(owner: Client, ask: Request) -> None:
    change_setting("approvals.pause_s", 7, by="owner:ada")
    wanted = {"HX-Request": "true", "HX-Target": "yes"}

    page = owner.get(reverse("decision", args=[ask.pk]), headers=wanted).content.decode()

    assert "load delay:7s" in page
    assert "Approve in 7 s" in page


def test_an_answered_question_hears_of_work_only_while_its_effect_moves(
    owner: Client, story: Story, ask: Request
) -> None:
    Release.objects.filter(version=1).update(state="trying")
    answer(owner, ask, answer="approve")
    moving = owner.get(reverse("decision", args=[ask.pk])).content.decode()
    Release.objects.filter(version=1).update(state="live")

    still = owner.get(reverse("decision", args=[ask.pk])).content.decode()

    assert 'data-live="decisions work home"' in moving.partition('id="answer"')[2][:60]
    assert 'data-live="decisions"' in still.partition('id="answer"')[2][:60]


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


def test_a_decision_shows_all_it_was_asked_with(owner: Client, story: Story) -> None:
    parts = [{"words": "3 refunds", "microusd": 21_000_000}, {"words": "Hosting", "microusd": 2_400_000}]
    whole = a_request(
        action="story.go", worst_case_microusd=23_400_000, worst_case_parts=parts, is_reversible=True,
        undo="Can be undone in about a minute", alternatives=[{"name": "Smaller", "words": "The waiting list only"}],
    )  # fmt: skip

    page = owner.get(reverse("decision", args=[whole.pk])).content.decode()

    for words in ("3 refunds", "$21.00", "$2.40", "$23.40", "Can be undone in about a minute", "Smaller"):
        assert words in page
    assert "The waiting list only" in page


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.1, "left.</b> No answer by"), (0.5, "Half of the time is gone."), (0.9, "Last reminder")],
)
def test_a_decision_says_when_its_time_runs_out(
    owner: Client, ask: Request, share: float, words: str
) -> None:
    advance_to(ask.asked_at + share * (ask.deadline - ask.asked_at))

    assert words in owner.get(reverse("decision", args=[ask.pk])).content.decode()


def test_an_answer_keeps_how_long_its_page_was_looked_at(owner: Client, ask: Request) -> None:
    page = owner.get(reverse("decision", args=[ask.pk])).content.decode()
    seen = page.partition('name="seen" value="')[2].partition('"')[0]

    with time_machine.travel(timezone.now() + timedelta(seconds=34), tick=False):
        answer(owner, ask, answer="approve", seen=seen)

    assert Decision.objects.get(request=ask).looked_s == pytest.approx(34, abs=5)


@pytest.mark.parametrize("seen", ["", "made up", note_of([new_id()])])
def test_a_note_of_another_page_says_nothing(owner: Client, ask: Request, seen: str) -> None:
    answer(owner, ask, answer="approve", seen=seen)

    assert Decision.objects.get(request=ask).looked_s is None


def test_open_pages_fetch_only_what_does_not_disturb_an_answer(owner: Client, ask: Request) -> None:
    path, wanted = (
        reverse("decision", args=[ask.pk]),
        {"X-Parts": "answer,answer-phone,bar,worst,worst-phone"},
    )
    open_one = owner.get(path, headers=wanted).content.decode()
    answer(owner, ask, answer="approve")
    over = owner.get(path, headers=wanted).content.decode()

    assert 'id="worst"' in open_one
    assert 'name="answer"' not in open_one
    assert "Your answer" in over
    assert 'id="bar"' in over


def test_the_gates_are_counted_on_the_decisions_page(owner: Client, ask: Request) -> None:
    answer(owner, ask, answer="approve")

    page = owner.get(reverse("decisions")).content.decode()

    assert "Your time with decisions" in page
    assert "Go, Forge asks" in page


def test_a_decision_page_weighs_little(owner: Client, ask: Request) -> None:
    pages = [owner.get(reverse("decision", args=[ask.pk])), owner.get(reverse("decisions"))]

    assert max(len(page.content) for page in pages) < 50_000


def test_a_yes_that_was_not_used_in_time_is_said_to_be_void(owner: Client, ask: Request) -> None:
    answer(owner, ask, answer="approve")
    advance_to(business_now() + timedelta(hours=4))
    a_request(action=ask.action, arguments=ask.arguments, key=ask.key)

    page = owner.get(reverse("decision", args=[ask.pk])).content.decode()
    history = owner.get(reverse("decisions")).content.decode()

    assert "Yes, but not used in time" in page
    assert "Yes, not used in time" in history
    assert "No answer: counted as no" not in page


def test_a_yes_nobody_acted_on_is_taken_back_on_its_page(owner: Client, story: Story) -> None:
    task = a_task(kind="story.check")
    held = a_request(action="story.hold", arguments={"task_id": str(task.pk)})
    answer(owner, held, answer="approve")

    offered = owner.get(reverse("decision", args=[held.pk])).content.decode()
    taken = owner.post(reverse("take-back", args=[held.pk]), follow=True).content.decode()
    late = owner.post(reverse("take-back", args=[held.pk]))

    assert "Take back</button>" in offered
    assert "The question is open again." in taken
    assert 'name="answer" value="approve"' in taken
    assert (late.status_code, "cannot be taken back" in late.content.decode()) == (409, True)
    assert owner.post(reverse("take-back", args=[new_id()])).status_code == 404


@pytest.mark.parametrize(("behind", "words"), [(0, "1 step of work waits"), (2, "3 steps of work wait ")])
def test_a_question_says_what_waits_behind_it_and_spends_nothing(
    owner: Client, ask: Request, behind: int, words: str
) -> None:
    said: dict[str, Any] = {"title": "A step", "kind": "story.check", "type": "write"}
    steps = [TaskSpec(key=f"s{n}", after=(f"s{n - 1}",) if n else (), **said) for n in range(behind + 1)]
    a_graph(*steps).tasks.filter(key="s0").update(state="waiting", question=ask.pk)

    page = owner.get(reverse("decision", args=[ask.pk])).content.decode()

    assert words in page
    assert "for you meanwhile and spend" in page
