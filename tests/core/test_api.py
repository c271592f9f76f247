"""The REST machinery: who calls, what is refused and how it is said, one answer for one key, pages, pace."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from core.models import AuditRow, DeviceToken, Installation, KeptReply, User
from core.services import audit, found_installation, issue_device_token
from tests.builders import a_user, an_agent
from tests.callers import ask, asked, call, device_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _founded(db: None) -> None:
    found_installation("rehearsal")


def test_a_stranger_learns_how_to_come_back() -> None:
    answer = Client().get("/api/v1/me/")

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "NOT_AUTHENTICATED"


@pytest.mark.parametrize("role", ["owner", "operator", "viewer"])
def test_a_device_acts_for_its_person_with_the_role_it_was_given(role: str) -> None:
    told = asked(device_of(a_user(name="ada"), role=role), "me")

    assert told == {"name": f"{role}:ada on phone", "role": role, "attempt_id": None, "is_signed_in": False}


def test_a_device_loses_what_its_person_loses() -> None:
    ada = a_user(name="ada")
    phone = device_of(ada, role="owner")

    User.objects.update(role=User.Role.VIEWER)

    assert asked(phone, "me")["role"] == "viewer"


@pytest.mark.parametrize(
    "change",
    [
        {"revoked_at": timezone.now()},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
    ],
    ids=["revoked", "too old"],
)
def test_an_ended_token_opens_nothing(change: dict[str, Any]) -> None:
    phone = device_of(a_user())
    DeviceToken.objects.update(**change)

    answer = ask(phone, "me")

    assert (answer.status_code, answer.json()["code"]) == (401, "TOKEN_ENDED")


def test_a_token_of_somebody_who_left_opens_nothing() -> None:
    phone = device_of(a_user())
    User.objects.update(is_active=False)

    assert ask(phone, "me").status_code == 401


def test_a_secret_is_told_once_and_stored_nowhere() -> None:
    browser = Client()
    browser.force_login(a_user())

    made = call(browser, "tokens", name="phone", once="k1")
    again = call(browser, "tokens", name="phone", once="k1")

    secret = made.json()["secret"]
    assert (made.status_code, again.status_code, again.json()["code"]) == (201, 409, "ALREADY_TOLD")
    assert DeviceToken.objects.count() == 1
    assert secret not in json.dumps(list(KeptReply.objects.values("body")))
    assert secret not in json.dumps(list(AuditRow.objects.values("facts", "subject")))
    assert Client(headers={"Authorization": f"Bearer {secret}"}).get("/api/v1/me/").status_code == 200


def test_no_token_makes_tokens_and_no_role_grows() -> None:
    viewer = a_user(role=User.Role.VIEWER)
    browser = Client()
    browser.force_login(viewer)

    assert call(device_of(a_user()), "tokens", name="spare").json()["code"] == "PEOPLE_ALONE"
    assert call(browser, "tokens", name="big", role="owner").json()["code"] == "BAD_ARGUMENTS"
    assert call(browser, "tokens", name="long", days=91).status_code == 400


def test_people_see_and_end_their_own_tokens_and_the_owner_all() -> None:
    viewer, owner = a_user(role=User.Role.VIEWER), a_user()
    device_of(owner)
    mine = device_of(viewer, role="viewer")
    of_owner = DeviceToken.objects.get(person=owner)

    seen = [token["person"] for token in asked(mine, "tokens")["results"]]
    foreign = call(mine, f"tokens/{of_owner.pk}/revoke")

    assert seen == [viewer.username]
    assert foreign.status_code == 404
    assert len(asked(device_of(owner), "tokens")["results"]) == 3


def test_a_browser_needs_its_csrf_token_and_a_device_does_not() -> None:
    owner = a_user()
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(owner)

    assert call(browser, "installation/stop").status_code == 403
    assert call(device_of(owner), "installation/stop").status_code == 200


def test_who_says_in_the_body_who_he_is_gets_nothing_but_an_audit_row() -> None:
    answer = call(device_of(a_user(name="ada")), "installation/stop", by="owner:eve", reason="now")

    row = AuditRow.objects.get(verb="api.identity_in_body")
    assert (answer.status_code, answer.json()["code"]) == (400, "IDENTITY_IN_BODY")
    assert (row.actor, row.outcome, row.facts) == ("owner:ada on phone", "denied", {"fields": "by"})
    assert Installation.objects.get().stopped_at is None


def test_a_repeat_under_the_same_key_is_answered_and_does_nothing() -> None:
    phone = device_of(a_user())

    first = call(phone, "installation/stop", once="k", reason="one")
    call(phone, "installation/start", once="other")
    again = call(phone, "installation/stop", once="k", reason="one")

    assert again.json() == first.json()
    assert (first.headers.get("Idempotent-Replayed"), again["Idempotent-Replayed"]) == (None, "true")
    assert Installation.objects.get().stopped_at is None


def test_a_key_belongs_to_one_request_of_one_caller_for_a_day() -> None:
    phone, other = device_of(a_user()), device_of(a_user())
    call(phone, "installation/stop", once="k", reason="one")

    refused = call(phone, "installation/stop", once="k", reason="two")
    theirs = call(other, "installation/stop", once="k", reason="two")
    KeptReply.objects.update(at=timezone.now() - timedelta(hours=25))
    later = call(phone, "installation/stop", once="k", reason="two")

    assert (refused.status_code, refused.json()["code"]) == (409, "KEY_OF_ANOTHER_REQUEST")
    assert "Idempotent-Replayed" not in theirs.headers
    assert "Idempotent-Replayed" not in later.headers


def test_a_refusal_is_not_kept() -> None:
    phone = device_of(a_user())

    first = call(phone, "agents/Rex/pause", once="k")
    an_agent("Rex")
    again = call(phone, "agents/Rex/pause", once="k")

    assert (first.status_code, again.status_code) == (404, 200)


def test_pages_give_each_row_once_newest_first() -> None:
    phone = device_of(a_user())
    for n in range(7):
        audit(actor="test", verb="test.row", subject=str(n))

    page = asked(phone, "audit?verb=test.row&limit=3")
    seen = page["results"]
    audit(actor="test", verb="test.row", subject="late")
    while page["next"]:
        page = phone.get(page["next"]).json()
        seen += page["results"]

    assert [row["subject"] for row in seen] == ["6", "5", "4", "3", "2", "1", "0"]


def test_no_page_is_longer_than_200() -> None:
    AuditRow.objects.bulk_create(
        AuditRow(actor="a", verb="v", subject="s", outcome="done") for _ in range(201)
    )
    phone = device_of(a_user())

    assert len(asked(phone, "audit?limit=5000")["results"]) == 200
    assert len(asked(phone, "audit")["results"]) == 50


@pytest.mark.parametrize(
    "cursor", ["x", "cD1ub3BlCg==", "cD0%3D", "%00", "bz0x", "cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk5"]
)
def test_a_made_up_cursor_is_asked_back(cursor: str) -> None:
    assert ask(device_of(a_user()), f"audit?cursor={cursor}").status_code == 400


def test_a_filter_nobody_knows_is_asked_back() -> None:
    answer = ask(device_of(a_user()), "audit?verbs=x")

    assert answer.status_code == 400
    assert answer.json()["facts"]["unknown"] == "verbs"


def test_the_121st_call_of_a_minute_waits_for_the_next(time_machine: Any) -> None:
    time_machine.move_to("2026-10-01T10:00:40Z", tick=False)
    phone, other = device_of(a_user()), device_of(a_user())

    codes = [ask(phone, "me").status_code for _ in range(121)]
    refused = ask(phone, "me")
    theirs = ask(other, "me").status_code
    time_machine.move_to("2026-10-01T10:01:00Z", tick=False)

    assert codes == [200] * 120 + [429]
    assert (refused.json()["code"], refused.json()["retryable"], refused["Retry-After"]) == (
        "TOO_FAST",
        True,
        "20",
    )
    assert (theirs, ask(phone, "me").status_code) == (200, 200)


@pytest.mark.parametrize(
    ("method", "address", "more", "status"),
    [
        ("GET", "/api/v1/nothing/", {}, 404),
        ("POST", "/api/", {}, 404),
        ("GET", "/api/v2/tasks/", {}, 404),
        ("DELETE", "/api/v1/audit/", {}, 405),
        ("OPTIONS", "/api/v1/audit/", {}, 405),
        ("GET", "/api/v1/audit/", {"headers": {"Accept": "text/html"}}, 406),
        ("POST", "/api/v1/installation/stop/", {"data": "a=1", "content_type": "application/x-www-form-urlencoded"}, 415),
        ("POST", "/api/v1/installation/stop/", {"data": "{", "content_type": "application/json"}, 400),
        ("POST", "/api/v1/installation/stop/", {"data": "[" * 100_000, "content_type": "application/json"}, 400),
        ("POST", "/api/v1/installation/stop/", {"data": '{"reason": "\\u0000"}', "content_type": "application/json"}, 400),
        ("POST", "/api/v1/installation/stop/", {"data": '{"reason": "\\ud800"}', "content_type": "application/json"}, 400),
        ("POST", "/api/v1/installation/stop/", {"data": '{"reason": NaN}', "content_type": "application/json"}, 400),
        ("POST", "/api/v1/installation/stop/", {"data": "[]", "content_type": "application/json"}, 400),
        ("POST", "/api/v1/installation/stop/", {"data": " " * 2_000_001, "content_type": "application/json"}, 413),
    ],
)  # fmt: skip
def test_every_refusal_has_one_shape(method: str, address: str, more: dict[str, Any], status: int) -> None:
    answer = device_of(a_user()).generic(method, address, **more)

    body = answer.json()
    assert (answer.status_code, body["status"]) == (status, status)
    assert answer["Content-Type"] == "application/problem+json"
    assert body.keys() == {"type", "title", "status", "code", "detail", "advice", "retryable", "facts"}


def test_a_worker_token_needs_somebody_who_keeps_the_factory_running() -> None:
    _, secret = issue_device_token(a_user(role=User.Role.OPERATOR), name="host", role="worker", by="test")

    assert secret.startswith("fd_")
    assert asked(Client(headers={"Authorization": f"Bearer {secret}"}), "me")["role"] == "worker"
