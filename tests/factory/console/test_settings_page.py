"""Settings, first day and health: who may what, and that nothing is said that was not checked."""

import re
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from agents.roster.models import Agent
from billing.models import Limit
from billing.services import factory_scope, start_small
from core.models import DeviceToken, Installation, Process, User
from core.services import change_setting, invite_person, mark_seen, setting
from factory.console.rules.areas import AREAS, SERVICES
from factory.console.services import is_set_up
from factory.console.views.failures import broken
from tests.builders import a_request, an_agent
from tests.factory.console.story import a_story

pytestmark = pytest.mark.django_db
HOURS = "approvals.answer_hours"
PASSWORD = " ".join(["correct", "horse", "battery"])


def change(person: Client, value: str, *, version: int = 0, key: str = HOURS) -> int:
    """Send one change; return the status."""
    said = {"key": key, "value": value, "version": version, "why": "on the road"}
    return person.post(reverse("change_setting"), said).status_code


def test_only_the_owner_changes_a_setting_and_only_inside_its_range(owner: Client, operator: Client) -> None:
    assert (change(operator, "8"), setting(HOURS)) == (403, 4)
    assert (change(owner, "8"), setting(HOURS)) == (303, 8)
    assert (change(owner, "999", version=1), change(owner, "9", key="x"), setting(HOURS)) == (400, 404, 8)


def test_a_page_that_is_old_changes_nothing(owner: Client) -> None:
    change(owner, "8")

    assert (change(owner, "12", version=0), setting(HOURS)) == (409, 8)


def test_a_change_is_shown_with_both_values_and_can_be_put_back(owner: Client) -> None:
    change(owner, "8")

    text = re.sub(r"\s+", " ", owner.get(reverse("settings")).content.decode())
    code = owner.post(reverse("revert_setting"), {"key": HOURS, "version": "0"}).status_code

    assert "<del>4 hours</del> <ins>8 hours</ins>" in text
    assert "On the road." in text
    assert (code, setting(HOURS)) == (303, 4)
    assert owner.post(reverse("revert_setting"), {"key": HOURS, "version": "x"}).status_code == 400


def test_the_theme_a_person_set_stands_on_every_page(owner: Client) -> None:
    assert "data-theme" not in owner.get("/settings/").content.decode()

    change_setting("theme", "dark", by="owner:ada")

    assert '<html lang="en" data-theme="dark">' in owner.get("/settings/").content.decode()


def test_an_invitation_made_on_the_page_makes_one_account_of_its_role(
    owner: Client, operator: Client
) -> None:
    refused = operator.post(reverse("invite"), {"role": "owner"}).status_code
    text = owner.post(reverse("invite"), {"role": "viewer"}).content.decode()

    path = re.search(r"/join/[\w-]+/", text)
    assert refused == 403
    assert path is not None
    form = {"username": "bob", "password1": PASSWORD, "password2": PASSWORD, "time_zone": "UTC"}
    assert Client().post(path[0], form).status_code == 303
    assert User.objects.get(username="bob").role == "viewer"


def test_a_devices_key_is_shown_once_and_ends_when_its_person_says_so(viewer: Client) -> None:
    text = viewer.post(reverse("add_device"), {"name": "phone"}).content.decode()
    token = DeviceToken.objects.get()

    secret = re.search(r"<code class=\"long\">(\S+)</code>", text)
    assert secret is not None
    assert secret[1] not in viewer.get(reverse("settings")).content.decode()
    assert (token.role, token.revoked_at) == ("viewer", None)
    viewer.post(reverse("drop_device"), {"device": token.pk})
    token.refresh_from_db()
    assert token.revoked_at is not None


def test_the_first_owner_meets_the_first_day_and_a_later_one_does_not(stranger: Client) -> None:
    form = {"username": "ada", "password1": PASSWORD, "password2": PASSWORD, "time_zone": "Pacific/Auckland"}
    first = stranger.post(reverse("join", args=[invite_person()]), form)
    an_agent("Rex")
    an_agent("Pixel")

    said = {"cap": "7.50", "time_zone": "Pacific/Auckland", "on": ["Rex"]}
    code = stranger.post(reverse("first_day"), said).status_code
    second = Client().post(reverse("join", args=[invite_person()]), {**form, "username": "eve"})

    assert (first["Location"], second["Location"]) == ("/first-day/", "/")
    assert (code, is_set_up()) == (303, True)
    assert Limit.objects.get(scope=factory_scope(), period="day").cap_microusd == 7_500_000
    assert Installation.objects.get().time_zone == "Pacific/Auckland"
    assert list(Agent.objects.enabled().values_list("name", flat=True)) == ["Rex"]


@pytest.mark.parametrize(
    "said", [{"cap": "-1"}, {"cap": "x"}, {"cap": "3001"}, {"time_zone": "Mars"}, {"on": ["Nobody"]}]
)
def test_an_answer_of_the_first_day_that_cannot_be_kept_is_asked_back(
    owner: Client, said: dict[str, object]
) -> None:
    answer = owner.post(reverse("first_day"), {"cap": "5", "time_zone": "UTC", **said})

    assert answer.status_code == 400


def test_only_the_owner_answers_the_first_day(operator: Client) -> None:
    assert operator.post(reverse("first_day"), {"cap": "5", "time_zone": "UTC"}).status_code == 403


def test_a_fresh_real_factory_may_spend_five_dollars_a_day_until_it_is_asked(db: None) -> None:
    start_small()
    first = Limit.objects.get(scope=factory_scope(), period="day").cap_microusd
    Limit.objects.update(cap_microusd=8_000_000)
    start_small()

    assert (first, Limit.objects.get(scope=factory_scope(), period="day").cap_microusd) == (
        5_000_000,
        8_000_000,
    )


def test_every_service_the_page_speaks_of_is_checked() -> None:
    known = {check for checks in AREAS.values() for check in checks}

    assert {one.check for one in SERVICES} <= known


def test_health_says_what_stops_without_workers_and_that_they_are_there(owner: Client) -> None:
    def words() -> str:
        return re.sub(r"\s+", " ", owner.get(reverse("health")).content.decode())

    without = words()
    mark_seen("host:1:a", kind="worker", queues={"cloud", "build", "control"})
    alive = words()
    Process.objects.update(seen_at=timezone.now() - timedelta(minutes=5))
    silent = words()

    assert "No worker was seen for 90 seconds" in without
    assert "Work of agents and jobs waits in its queue." in without
    assert "No worker was seen" not in alive
    assert "silent since" in silent
    assert "No backup is set up" in alive


def test_the_page_for_what_broke_needs_no_database_and_keeps_the_way_to_stop(rf: RequestFactory) -> None:
    with connection.execute_wrapper(refuse):
        answer = broken(rf.get("/ventures/leaf/"))

    text = answer.content.decode()
    assert answer.status_code == 500
    assert re.search(r"[2-9A-Z]{3}-[2-9A-Z]{3}-[2-9A-Z]", text)
    assert 'href="/ventures/leaf/"' in text
    assert text.count('href="/stop/"') == 2


def refuse(*_: object) -> None:
    """Answer every question to the database with a fault."""
    raise OperationalError


def test_a_question_waits_as_long_as_the_owner_set_and_the_button_too(owner: Client) -> None:
    change_setting(HOURS, 12, by="owner:ada")
    change_setting("approvals.pause_s", 7, by="owner:ada")
    asked = a_story().waiting[0]
    mine = a_request(action="story.go", title="Open it?")

    fragment = owner.get(
        reverse("decision", args=[asked.pk]), headers={"HX-Request": "true", "HX-Target": "yes"}
    ).content.decode()

    assert (mine.deadline - mine.asked_at).total_seconds() == 12 * 3600
    assert "in 7 s" in fragment
    assert "load delay:7s" in fragment
