"""Every page at the sizes and in the light it is read."""

import pytest

from tests.e2e.conftest import DESK, PHONE, SignIn
from tests.e2e.looks import barriers, complaints_of, side_scroll, small_targets
from tests.e2e.pages import PAGES
from tests.factory.console.story import Story

LOOKS = ((PHONE, "light"), (PHONE, "dark"), (DESK, "light"), (DESK, "dark"))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_barrier_fits_a_thumb_and_a_narrow_phone_and_keeps_the_policy(
    name: str, story: Story, sign_in: SignIn
) -> None:
    faults = []

    for width, scheme in LOOKS:
        page = sign_in(story.owner, width=width, scheme=scheme).new_page()
        heard = complaints_of(page)
        page.goto(PAGES[name](story))
        faults += [f"{width} {scheme} {fault}" for fault in barriers(page)]
        faults += small_targets(page) if width == PHONE else []
        faults += heard
    faults += side_scroll(page)

    assert faults == []
