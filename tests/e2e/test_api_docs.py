"""The page on which every REST operation can be tried, before a real browser."""

from playwright.sync_api import expect

from core.models import Installation
from tests.e2e.conftest import DESK, SignIn
from tests.e2e.looks import barriers, complaints_of
from tests.factory.console.story import Story

OF_THE_LIBRARY = ("heading-order", "nested-interactive", "region")
"""How Swagger UI nests headings, landmarks and buttons is not ours."""


def test_operations_can_be_read_and_tried_under_the_strict_policy(story: Story, sign_in: SignIn) -> None:
    page = sign_in(story.owner, width=DESK).new_page()
    heard = complaints_of(page)

    page.goto("/api/v1/docs/")
    page.locator("#operations-tag-installation").click()
    page.locator("#operations-installation-installation_stop").click()
    page.get_by_role("button", name="Execute").click()

    told = page.locator(".live-responses-table")
    expect(told.locator(".response .response-col_status").first).to_have_text("200")
    expect(told).to_contain_text(f"owner:{story.owner.username}")
    assert Installation.objects.get().stopped_at is not None
    assert heard == []
    assert [one for one in barriers(page) if not one.startswith(OF_THE_LIBRARY)] == []
