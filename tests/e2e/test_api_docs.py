"""The page on which every REST operation can be tried, before a real browser."""

from playwright.sync_api import expect

from tests.e2e.conftest import DESK, SignIn
from tests.e2e.looks import complaints_of
from tests.factory.console.story import Story


def test_every_operation_stands_there_and_can_be_tried_under_the_strict_policy(
    story: Story, sign_in: SignIn
) -> None:
    page = sign_in(story.owner, width=DESK).new_page()
    heard = complaints_of(page)

    page.goto("/api/v1/docs/")
    page.locator("#operations-tag-me").click()
    page.locator("#operations-me-me_read").click()
    page.get_by_role("button", name="Execute").click()

    expect(page.locator(".live-responses-table .response .response-col_status").first).to_have_text("200")
    expect(page.locator(".live-responses-table")).to_contain_text(f"owner:{story.owner.username}")
    assert heard == []
