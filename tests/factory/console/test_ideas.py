"""Giving the factory signals or an idea."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from factory.console.forms import FILE_LIMIT_BYTES
from portfolio.models import Opportunity, Product, Scan, Signal
from tests.factory.console.story import SIGNALS, an_idea

pytestmark = pytest.mark.django_db


def a_file(*lines: str, name: str = "mine.jsonl") -> SimpleUploadedFile:
    """Return a file as a browser sends it."""
    return SimpleUploadedFile(name, "\n".join(lines).encode(), content_type="application/jsonl")


def a_line(number: int, **told: object) -> str:
    """Return one readable signal."""
    facts = {
        "id": f"s{number}",
        "source": "forum",
        "url": f"https://forum.example/{number}",
        "date": "2026-05-04",
    }
    words = {
        "title": f"Title {number}",
        "text": "A user wants it.",
        "price_mentioned": None,
        "mentions": None,
    }
    return json.dumps({**facts, **words, **told})


def test_a_file_is_read_and_what_is_broken_is_shown_with_its_line(owner: Client) -> None:
    file = a_file(a_line(1), "{broken", a_line(3))

    answer = owner.post(reverse("give"), {"what": "file", "signals": file}, follow=True)

    page = answer.content.decode()
    assert answer.status_code == 200
    assert Scan.objects.get().file_name == "mine.jsonl"
    assert Signal.objects.count() == 2
    assert "2 signals read, 2 new, 1 lines kept out." in page
    assert "1 line kept out" in page
    assert '<th scope="row">2</th>' in page


@pytest.mark.parametrize("role", ["operator", "viewer"])
def test_only_the_owner_gives(role: str, request: pytest.FixtureRequest) -> None:
    client: Client = request.getfixturevalue(role)

    answers = [
        client.post(reverse("give"), {"what": "file", "signals": a_file(a_line(1))}),
        client.post(reverse("give"), {"what": "idea", "text": "Remind a small firm before contracts end"}),
    ]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert not Scan.objects.exists()
    assert not Product.objects.exists()


def test_a_file_above_the_limit_is_refused_unread(owner: Client) -> None:
    answer = owner.post(reverse("give"), {"what": "file"}, CONTENT_LENGTH=str(FILE_LIMIT_BYTES * 2))

    assert answer.status_code == 413
    assert "This file is larger than 50 MB." in answer.content.decode()


def test_nothing_chosen_is_asked_back(owner: Client) -> None:
    assert owner.post(reverse("give"), {"what": "file"}).status_code == 400
    assert owner.post(reverse("give"), {"what": "idea", "text": " "}).status_code == 400


def test_an_idea_that_means_nothing_is_asked_back_and_kept_in_the_field(owner: Client) -> None:
    answer = owner.post(reverse("give"), {"what": "idea", "text": "asdf"})

    assert answer.status_code == 400
    assert "This idea cannot be read" in answer.content.decode()
    assert ">asdf</textarea>" in answer.content.decode()


def test_an_idea_of_forty_kilobytes_is_too_long(owner: Client) -> None:
    assert owner.post(reverse("give"), {"what": "idea", "text": "word " * 8_000}).status_code == 413


def test_a_part_that_is_unknown_is_drawn_dashed_and_named(owner: Client) -> None:
    idea = an_idea("Say when a job is silent", signals=SIGNALS)

    page = owner.get(reverse("idea", args=[idea.name])).content.decode()

    assert '<span class="unk">0 to 10</span>' in page
    assert '<rect class="u"' in page
    assert "72 points, between 64 and 74" in page


def test_why_each_signal_is_in_is_said(owner: Client) -> None:
    idea = an_idea("Say when a job is silent", signals=SIGNALS)

    page = owner.get(reverse("idea", args=[idea.name])).content.decode()

    assert "In, because it is 71 % like the rest." in page
    assert "Near, but only 65 % like the rest: it counts for nothing" in page
    assert "nearest to “A nightly backup had not run" in page


def test_an_excluded_idea_says_by_which_rule_and_shows_no_score(owner: Client) -> None:
    an_idea(
        "Explain blood tests", state=Opportunity.State.EXCLUDED, points=None, low=None, high=None, known_weight=None,
        parts=[], reason="a regulated field: health",
    )  # fmt: skip

    page = owner.get(reverse("ideas"), {"kind": "out"}).content.decode()

    assert "A regulated field: health." in page
    assert 'class="rg' not in page
