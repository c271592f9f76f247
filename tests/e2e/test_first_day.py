"""The first day before a real browser: in a rehearsal, with a fresh key, and set up; without scripts, by keyboard."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.gateway.adapters.keyring import key_of
from agents.gateway.adapters.transport import hang_up
from agents.gateway.models import Provider
from agents.gateway.services import sync_prices
from agents.gateway.services.key_check import prove_key
from agents.roster.services import sync_agents
from billing.services import start_small
from core.models import Installation
from core.services import found_installation
from tests.builders import a_user
from tests.e2e.conftest import DESK, PHONE, SignIn
from tests.e2e.looks import barriers, complaints_of, side_scroll, small_targets
from tests.faults.client import Faults, faulty_provider

KEY = "sk-ant-" + "typed-by-hand-" + "0123456789-WXYZ"
LIST = ("claude-opus-4-6", "claude-sonnet-4-5", "claude-haiku-4-5", "claude-vision-trial")


@pytest.fixture(scope="module")
def server() -> Iterator[Faults]:
    with faulty_provider() as running:
        running.offer(*LIST)
        yield running


@pytest.fixture
def maker(server: Faults, transactional_db: None, settings: Any, tmp_path: Path) -> Iterator[Faults]:
    """A real factory whose maker stands on loopback."""
    settings.MODEL_KEYS, settings.HOME, settings.BOX_KEY = {}, tmp_path, ""
    settings.MODE, settings.REAL_HOME = "real", None
    found_installation("real")
    sync_prices()
    sync_agents(settings.DATA_DIR / "agents")
    start_small()
    Provider.objects.update(base_url=server.url)
    yield server
    hang_up()


@pytest.mark.parametrize("state", ["rehearsal", "fresh", "keyed"])
def test_the_first_day_has_no_barrier_fits_a_thumb_and_a_narrow_phone_in_every_state(
    state: str, maker: Faults, sign_in: SignIn, settings: Any, tmp_path: Path
) -> None:
    person = a_user(name="ada")
    if state == "rehearsal":
        settings.MODE, settings.REAL_HOME = "rehearsal", tmp_path / "real"
        Installation.objects.update(mode="rehearsal")
    elif state == "keyed":
        prove_key("anthropic", KEY, by="owner:ada")
    faults = []

    for width, scheme in ((PHONE, "light"), (DESK, "dark")):
        page = sign_in(person, width=width, scheme=scheme).new_page()
        heard = complaints_of(page)
        page.goto("/first-day/")
        page.screenshot(path=tmp_path / f"first-day-{state}-{width}.png", full_page=True)
        faults += [f"{width} {fault}" for fault in barriers(page)]
        faults += small_targets(page) if width == PHONE else []
        faults += heard
    faults += side_scroll(page)

    assert faults == []


def test_a_key_is_given_without_scripts_and_by_keyboard_alone(maker: Faults, sign_in: SignIn) -> None:
    page = sign_in(a_user(name="ada"), scripts=False).new_page()
    page.goto("/first-day/")

    page.get_by_label("Whose key is it?").focus()
    page.keyboard.type("Anth")
    page.keyboard.press("Tab")
    page.keyboard.type(KEY)
    page.keyboard.press("Enter")
    page.get_by_text("Its models stand below.").wait_for()

    assert key_of("anthropic") == KEY
    assert page.get_by_label("Key", exact=True).input_value() == ""
    assert KEY not in page.content()
    assert "claude-vision-trial" in page.content()
