"""The owner decides in a real browser: with a thumb, with keys alone, without scripts, beside another browser, a day late."""

from datetime import timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from approvals.models import Decision, Request
from approvals.services import decide_request, expire_requests
from core.models import AuditRow
from core.services import advance_to
from factory.delivery.models import Release
from tests.e2e.conftest import DESK, PHONE, SignIn
from tests.factory.console.asks import equal_refunds
from tests.factory.console.story import Story

READY_MS = 12_000


def yes_of(page: Page) -> Page:
    """Return the page when its yes may be pressed."""
    expect(page.locator("button.yes:not([hx-get]):visible")).to_be_enabled(timeout=READY_MS)
    return page


def shown_yes(page: Page) -> Locator:
    """Return the one yes that can be seen at this width."""
    return page.locator("button.yes:visible")


@pytest.fixture(name="ask")
def the_question(story: Story) -> Request:
    """Return the question about a release, whose effect is under way as soon as it is approved."""
    Release.objects.filter(pk=story.releases[0].pk).update(state="trying")
    return story.waiting[0]


def test_on_a_phone_two_taps_lead_from_home_to_approved_with_the_effect_seen(
    story: Story, ask: Request, sign_in: SignIn
) -> None:
    page = sign_in(story.owner, width=PHONE).new_page()
    page.goto("/")

    page.locator("#asks a", has_text=ask.title).click()
    expect(shown_yes(page)).to_be_disabled()
    shown_yes(yes_of(page)).click()

    expect(page.locator(".track:visible .on")).to_contain_text("Doing")
    assert Decision.objects.get(request=ask).answer == "approve"


def test_the_effect_moves_on_the_open_page(story: Story, ask: Request, sign_in: SignIn) -> None:
    page = sign_in(story.owner, width=PHONE).new_page()
    page.goto(f"/decisions/{ask.pk}/")
    shown_yes(yes_of(page)).click()
    expect(page.locator(".track:visible .on")).to_contain_text("Doing")

    Release.objects.filter(pk=story.releases[0].pk).update(state="refused", why="The proof was red")

    expect(page.locator(".track:visible .bad")).to_contain_text("Failed", timeout=90_000)
    expect(page.locator(".answered:visible")).to_contain_text("The proof was red")


def test_keys_alone_are_enough(story: Story, ask: Request, sign_in: SignIn) -> None:
    page = sign_in(story.owner, width=DESK).new_page()
    page.goto(f"/decisions/{ask.pk}/")
    yes_of(page)

    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('button.yes')"):
            break
    page.keyboard.press("Enter")

    expect(page.locator(".answered:visible")).to_contain_text("Your answer")
    assert Decision.objects.get(request=ask).answer == "approve"


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_without_scripts_the_yes_is_ready_at_once(
    width: int, story: Story, ask: Request, sign_in: SignIn
) -> None:
    page = sign_in(story.owner, width=width, scripts=False).new_page()
    page.goto("/decisions/")
    page.get_by_text(ask.title).first.click()

    shown_yes(page).click()

    expect(page.locator(".answered:visible")).to_contain_text("Your answer")
    expect(page.locator(".track:visible .on")).to_contain_text("Doing")


def test_a_no_with_a_reason_is_given_by_thumb(story: Story, ask: Request, sign_in: SignIn) -> None:
    page = sign_in(story.owner, width=PHONE).new_page()
    page.goto(f"/decisions/{ask.pk}/")

    page.locator(".actbar").get_by_role("link", name="Reject").click()
    page.get_by_label("Not now").check()
    page.locator("#no").get_by_role("button", name="Reject").click()

    expect(page.locator(".answered:visible")).to_contain_text("Not now")
    assert Decision.objects.get(request=ask).answer == "reject"


def test_of_two_browsers_one_decides_and_the_other_hears_it(
    story: Story, ask: Request, sign_in: SignIn
) -> None:
    first, second = (sign_in(story.owner, width=width, scripts=False).new_page() for width in (PHONE, DESK))
    for page in (first, second):
        page.goto(f"/decisions/{ask.pk}/")

    shown_yes(first).click()
    shown_yes(second).click()

    expect(second.get_by_role("alert")).to_contain_text("the first answer stands")
    assert Decision.objects.filter(request=ask).count() == 1
    assert (
        AuditRow.objects.filter(verb="approvals.decide_request", facts__request_id=str(ask.pk)).count() == 1
    )


def test_an_open_page_takes_its_yes_away_when_another_browser_decided(
    story: Story, ask: Request, sign_in: SignIn
) -> None:
    page = sign_in(story.owner, width=PHONE).new_page()
    page.goto(f"/decisions/{ask.pk}/")
    yes_of(page)

    decide_request(ask.pk, answer="reject", by=story.owner, digest=ask.digest, words="Not now")

    expect(page.locator(".answered:visible")).to_contain_text("Not now", timeout=30_000)
    expect(page.locator("button.yes")).to_have_count(0)


def test_a_page_left_open_for_a_day_offers_no_dead_yes(story: Story, ask: Request, sign_in: SignIn) -> None:
    page = sign_in(story.owner, width=PHONE).new_page()
    page.clock.install()
    page.goto(f"/decisions/{ask.pk}/")
    advance_to(ask.deadline + timedelta(hours=20))
    expire_requests()

    page.clock.fast_forward("24:00:00")

    expect(page.locator(".answered:visible")).to_contain_text("counted as no", timeout=30_000)
    expect(page.locator("button.yes")).to_have_count(0)


def test_a_page_left_open_for_a_day_without_scripts_is_refused(
    story: Story, ask: Request, sign_in: SignIn
) -> None:
    page = sign_in(story.owner, width=PHONE, scripts=False).new_page()
    page.goto(f"/decisions/{ask.pk}/")
    advance_to(ask.deadline + timedelta(hours=20))
    expire_requests()

    shown_yes(page).click()

    expect(page.get_by_role("alert")).to_contain_text("it counted as no")
    assert not Decision.objects.filter(request=ask).exists()


def test_eight_equal_refunds_take_one_yes(story: Story, sign_in: SignIn) -> None:
    refunds = equal_refunds(story)
    page = sign_in(story.owner, width=PHONE).new_page()
    page.goto("/decisions/")

    page.get_by_text("8 equal asks").click()
    shown_yes(yes_of(page)).click()

    expect(page.get_by_text("Answered 8 of them")).to_be_visible()
    assert Decision.objects.filter(request__in=refunds, answer="approve").count() == 8


def test_everything_stops_with_two_taps_without_scripts(story: Story, sign_in: SignIn) -> None:
    page = sign_in(story.owner, width=PHONE, scripts=False).new_page()
    page.goto(f"/decisions/{story.waiting[0].pk}/")

    page.locator(".crumb .stop").click()
    page.get_by_role("button", name="Stop everything now").click()

    expect(page.get_by_role("heading", name="Everything is stopped")).to_be_visible()
