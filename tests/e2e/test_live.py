"""An open page stays true, says when it cannot, and lets nothing old be pressed."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.test import Client
from playwright.sync_api import BrowserContext, Page, expect

from approvals.models import Request
from approvals.services import decide_request
from core.services import announce
from portfolio.models import Product
from tests.e2e.conftest import DESK, SignIn
from tests.factory.console.story import Story

CUT = "() => { for (const one of window.sockets) one.close(); }"
KEEP_SOCKETS = "window.sockets = []; const Real = WebSocket; window.WebSocket = class extends Real { constructor(...all) { super(...all); window.sockets.push(this); } }; Object.assign(window.WebSocket, {OPEN: 1});"


@pytest.fixture
def page(story: Story, sign_in: SignIn) -> Page:
    """The owner's home, open and hearing."""
    page = sign_in(story.owner, width=DESK).new_page()
    page.add_init_script(KEEP_SOCKETS)
    return hearing(page, "/")


def hearing(page: Page, address: str) -> Page:
    """Open this address and wait until its socket hears."""
    with page.expect_websocket() as opened:
        page.goto(address)
    opened.value.wait_for_event("framereceived")
    return page


@contextmanager
def offline(context: BrowserContext) -> Iterator[None]:
    """Cut the browser off for a while."""
    context.set_offline(True)
    yield
    context.set_offline(False)


def test_an_open_page_shows_an_answer_given_elsewhere(page: Page, story: Story) -> None:
    asked = story.waiting[0]
    expect(page.locator("#asks li")).to_have_count(2)

    decide_request(asked.pk, answer="reject", by=story.owner, digest=asked.digest)

    expect(page.locator("#asks li")).to_have_count(1)
    expect(page.locator("#f-count")).to_have_text("1")


def test_a_page_that_hears_nothing_looks_by_itself(page: Page, story: Story) -> None:
    page.route("**/live/**", lambda route: route.abort())
    page.evaluate(
        "() => { window.WebSocket = class { constructor() { setTimeout(() => this.onclose?.({code: 1006})); } close() {} }; }"
    )
    page.evaluate(CUT)

    Request.objects.filter(pk=story.waiting[0].pk).update(state="expired")

    expect(page.locator("#asks li")).to_have_count(1)


def test_news_after_the_socket_came_back_is_not_lost(page: Page, story: Story) -> None:
    page.evaluate(CUT)
    Product.objects.update(name="Renamed meanwhile")

    expect(page.locator("#line")).to_contain_text("Renamed meanwhile")


def test_a_page_cut_off_says_so_and_lets_nothing_be_pressed_then_reads_itself_anew(
    page: Page, story: Story
) -> None:
    page.clock.install()
    hearing(page, f"/decisions/{story.waiting[0].pk}/")

    with offline(page.context):
        page.evaluate(CUT)
        page.clock.run_for(8_000)
        expect(page.locator("#f-state")).to_contain_text("Last update")
        page.clock.run_for(40_000)
        expect(page.get_by_text("Not connected since")).to_be_visible()
        assert page.locator("main button:enabled").count() == 0
        Request.objects.filter(pk=story.waiting[0].pk).update(title="Something else now?")
    page.clock.run_for(40_000)

    expect(page.locator("h1")).to_have_text("Something else now?")
    expect(page.get_by_text("Read anew at")).to_be_visible()
    expect(page.locator("#f-state")).to_contain_text("Running")


def test_a_page_that_slept_for_a_day_offers_nothing_until_it_was_read_anew(page: Page, story: Story) -> None:
    page.clock.install()
    hearing(page, f"/decisions/{story.waiting[0].pk}/")

    with offline(page.context):
        page.clock.fast_forward("24:00:00")
        expect(page.get_by_text("It slept; it is being read anew.")).to_be_visible()
        assert page.locator("main button:enabled").count() == 0
        Request.objects.filter(pk=story.waiting[0].pk).update(title="Something else now?")
    page.clock.run_for(5_000)

    expect(page.locator("h1")).to_have_text("Something else now?")
    expect(page.get_by_text("Read anew at")).to_be_visible()


def test_a_field_under_the_hand_is_never_swapped_away(page: Page, story: Story) -> None:
    hearing(page, f"/decisions/{story.waiting[0].pk}/")
    words = page.locator("#change-words")
    words.fill("Not so many mails")

    announce("decisions")
    page.wait_for_timeout(1_500)

    expect(words).to_have_value("Not so many mails")
    expect(words).to_be_focused()


def test_who_signed_out_elsewhere_lands_at_the_door(page: Page, story: Story) -> None:
    client = Client()
    client.cookies["sessionid"] = page.context.cookies()[0]["value"]
    client.post("/logout/")

    announce("home")

    expect(page).to_have_url(re.compile("/login/"))


def test_without_scripts_the_page_is_whole(story: Story, sign_in: SignIn) -> None:
    page = sign_in(story.owner, scripts=False).new_page()

    page.goto("/")

    expect(page.locator("#asks li").first).to_be_visible()
    expect(page.get_by_role("link", name="Stop").first).to_be_visible()
