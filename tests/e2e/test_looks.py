"""Every page at the sizes and in the light it is read."""

import pytest

from tests.e2e.conftest import DESK, PHONE, SignIn
from tests.e2e.looks import barriers, complaints_of, side_scroll, small_targets
from tests.e2e.pages import PAGES
from tests.factory.console.story import Story


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(
    ("width", "scheme"), [(PHONE, "light"), (PHONE, "dark"), (DESK, "light"), (DESK, "dark")]
)
def test_a_page_has_no_barrier_and_no_complaint(
    name: str, width: int, scheme: str, story: Story, sign_in: SignIn
) -> None:
    page = sign_in(story.owner, width=width, scheme=scheme).new_page()
    heard = complaints_of(page)

    page.goto(PAGES[name](story))

    assert barriers(page) == []
    assert heard == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_phone_and_a_thumb(name: str, story: Story, sign_in: SignIn) -> None:
    page = sign_in(story.owner).new_page()
    page.goto(PAGES[name](story))

    assert small_targets(page) == []
    assert side_scroll(page) == []
