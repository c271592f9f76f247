"""The red frame: only while a live product does not answer and cannot go back, and gone when it does."""

import re
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from approvals.models import Request
from core.models import Installation
from core.services import business_now, change_setting
from factory.delivery.models import Release
from factory.delivery.services.releases import note_probe
from factory.insight.services import alerts, alerts_now, incidents_now
from factory.work.services.outages import note_outage
from tests.factory.console.story import Story, a_story

pytestmark = pytest.mark.django_db
FRAME = 'class="incident"'


@pytest.fixture
def down(db: None) -> Story:
    """Return a factory whose live product failed three checks in a row."""
    story = a_story()
    for _ in range(3):
        note_probe(live_one(), is_red=True, why="No space left on disk")
    return story


def live_one() -> Release:
    """Return the release that serves."""
    return Release.objects.live().get()


def test_home_shows_what_is_down_since_when_why_and_what_is_at_risk(owner: Client, down: Story) -> None:
    page = owner.get("/").content.decode()

    assert FRAME in page
    assert "Nightwatch does not answer its customers" in page
    assert "No space left on disk." in page
    assert "$9.14" in page
    [one] = incidents_now()
    assert (one.failed, one.payments, one.since is not None) == (3, 1, True)


def test_every_page_says_incident_and_only_home_has_the_frame(owner: Client, down: Story) -> None:
    pages = [owner.get(address).content.decode() for address in ("/work/", "/money/", "/health/")]

    assert all("Incident · " in page for page in pages)
    assert not any(FRAME in page for page in pages)


def test_it_is_the_most_serious_alert(down: Story) -> None:
    assert [one.kind for one in alerts_now(business_now())][:2] == ["down", "rolled_back"]


def test_it_goes_away_when_the_product_answers(owner: Client, down: Story) -> None:
    note_probe(live_one(), is_red=False, why="")

    page = owner.get("/").content.decode()

    assert FRAME not in page
    assert "Incident · " not in page


def test_one_failed_check_is_no_incident(owner: Client, db: None) -> None:
    a_story()
    note_probe(live_one(), is_red=True, why="late")

    assert FRAME not in owner.get("/").content.decode()
    assert incidents_now() == ()


def banner_of(page: str) -> tuple[str, str]:
    """Return the look and the first words of what stands at the top of home; nothing: two empty texts."""
    found = re.search(r'<section class="(banner[^"]*)" aria-label="Most serious alert">.*?<b>(.*?)</b>', page)
    return (found[1], found[2]) if found else ("", "")


def test_what_harmed_customers_stands_in_red_at_the_top_of_home(owner: Client, db: None) -> None:
    a_story()
    back = Release.objects.get(state=Release.State.ROLLED_BACK)

    look, words = banner_of(owner.get("/").content.decode())

    assert (look, words) == ("banner", f"Version 2 of Nightwatch was rolled back at {back.ended_at:%H:%M}.")


def test_when_nothing_was_harmed_the_first_that_needs_a_look_stands_there_in_amber(
    owner: Client, db: None
) -> None:
    a_story()
    Release.objects.filter(state=Release.State.ROLLED_BACK).update(state=Release.State.RETIRED)

    look, words = banner_of(owner.get("/").content.decode())

    first = alerts_now(business_now())[0]
    assert (look, first.is_harm) == ("banner need", False)
    assert first.name in unescape(words)


def test_home_says_whose_key_is_refused_and_that_work_waits_for_models(
    owner: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = {"openai": (timezone.now(), "401: Your account is not active.")}
    monkeypatch.setattr(alerts, "refusing_now", lambda: refused)
    note_outage("gateway", kind="agent", words="ALL_PROVIDERS_DOWN: <none>")

    page = owner.get("/").content.decode()

    assert "OpenAI refuses your key or account" in page
    assert "Your account is not active" in page
    assert "No model answers: what needs one waits" in page
    assert "&lt;none&gt;" in page


def test_a_quiet_day_has_no_banner(owner: Client, db: None) -> None:
    assert alerts_now(business_now()) == ()
    assert banner_of(owner.get("/").content.decode()) == ("", "")


def test_what_stands_around_every_page_is_never_older_than_its_load(owner: Client, db: None) -> None:
    story = a_story()
    before = owner.get("/work/").content.decode()

    Request.objects.filter(pk=story.waiting[0].pk).update(state=Request.State.WITHDRAWN)
    Installation.objects.update(time_zone="Pacific/Auckland")
    change_setting("theme", "dark", by="owner:ada")
    for _ in range(3):
        note_probe(live_one(), is_red=True, why="No space left on disk")
    after = owner.get("/work/").content.decode()

    count = f'id="f-count">{len(story.waiting) - 1}</b>'
    said = ('data-theme="dark"', "Incident · ", "Times in Pacific/Auckland", count)
    assert [words in before for words in said] == [False] * 4
    assert [words in after for words in said] == [True] * 4
