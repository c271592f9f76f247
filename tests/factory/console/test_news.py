"""What home tells somebody who comes back."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from core.models import User
from core.services import note_look
from factory.delivery.models import Release
from tests.builders import a_user
from tests.factory.console.story import Story, a_story

pytestmark = pytest.mark.django_db


@pytest.fixture
def story(db: None) -> Story:
    """Return a filled factory."""
    return a_story()


def test_who_looks_for_the_first_time_has_no_earlier_look(db: None) -> None:
    assert note_look(a_user()) is None


def test_a_sitting_lasts_until_nobody_looked_for_a_while(db: None) -> None:
    person, began = a_user(), timezone.now()
    with time_machine.travel(began, tick=False) as clock:
        note_look(person)
        clock.shift(timedelta(hours=9))
        person.refresh_from_db()
        back = note_look(person)
        clock.shift(timedelta(minutes=10))
        person.refresh_from_db()
        still = note_look(person)

    assert back == began
    assert still == began


def test_home_says_what_changed_since_the_last_sitting_with_links(story: Story, owner: Client) -> None:
    User.objects.filter(username="the-owner").update(looked_at=timezone.now() - timedelta(hours=9))

    text = owner.get("/").content.decode()

    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))
    assert "Since you last looked" in words
    for said in (
        "Version 2 of Nightwatch was rolled back",
        "Asks you: Open version 3 of Nightwatch?",
        "Gave up: Write the help texts",
    ):
        assert said in words
    assert f'href="/decisions/{story.waiting[0].pk}/"' in text


def test_who_comes_for_the_first_time_reads_no_news(story: Story, owner: Client) -> None:
    assert "Since you last looked" not in owner.get("/").content.decode()


def test_harm_stands_first_at_home_and_the_rest_is_counted(story: Story, owner: Client) -> None:
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", owner.get("/").content.decode()))

    assert re.search(r"Version 2 of Nightwatch was rolled back at \d\d:\d\d\.", words)
    assert "1 more" in words


def test_harm_of_yesterday_is_no_banner(story: Story, owner: Client) -> None:
    Release.objects.filter(version=2).update(ended_at=timezone.now() - timedelta(hours=25))

    assert "was rolled back at" not in owner.get("/").content.decode().partition('id="alerts"')[0]


def test_parts_asked_for_by_an_open_page_come_together_with_the_frame(story: Story, owner: Client) -> None:
    text = owner.get("/", headers={"X-Parts": "frame,asks,nonsense"}).content.decode()

    assert re.findall(r'<(?:section|span|b) [^>]*id="(asks|now|f-state|f-count|f-count-phone)"', text) == [
        "asks",
        "f-state",
        "f-count",
        "f-count-phone",
    ]
    assert "<html" not in text
