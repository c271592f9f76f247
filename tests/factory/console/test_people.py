"""Coming in, going out, stopping and starting."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from core.errors import NotFound
from core.models import AuditRow, Installation, InviteLink, User
from core.services import accept_invitation, invite_person, is_stopped

pytestmark = pytest.mark.django_db
PASSWORD = " ".join(["correct", "horse", "battery"])


def join(client: Client, token: str, **told: str) -> int:
    """Fill in the form of an invitation; return the status."""
    form = {"username": "ada", "password1": PASSWORD, "password2": PASSWORD, "time_zone": "Pacific/Auckland"}
    return client.post(reverse("join", args=[token]), {**form, **told}).status_code


def test_the_first_owner_joins_by_a_link_that_works_once(stranger: Client) -> None:
    token = invite_person()

    assert stranger.get(reverse("join", args=[token])).status_code == 200
    assert join(stranger, token) == 303
    assert stranger.get("/").status_code == 200
    assert User.objects.get(username="ada").is_owner
    assert Installation.objects.get().time_zone == "Pacific/Auckland"
    assert join(Client(), token, username="eve") == 404
    with pytest.raises(NotFound):
        accept_invitation(token, name="eve", password=PASSWORD)
    assert User.objects.count() == 1


def test_an_owner_may_look_behind_the_pages_and_a_viewer_may_not(stranger: Client) -> None:
    owner = accept_invitation(invite_person(), name="ada", password=PASSWORD)
    viewer = accept_invitation(invite_person(role="viewer"), name="bob", password=PASSWORD)

    assert (owner.is_staff, viewer.is_staff) == (True, False)
    assert viewer.role == "viewer"


def test_an_old_link_and_an_invented_one_open_nothing(stranger: Client) -> None:
    token = invite_person()
    InviteLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert stranger.get(reverse("join", args=[token])).status_code == 404
    assert join(stranger, token) == 404
    assert join(stranger, "invented") == 404
    with pytest.raises(NotFound):
        accept_invitation(token, name="eve", password=PASSWORD)
    assert not User.objects.exists()


def test_a_new_link_ends_the_one_before(stranger: Client) -> None:
    old, new = invite_person(), invite_person()

    assert stranger.get(reverse("join", args=[old])).status_code == 404
    assert stranger.get(reverse("join", args=[new])).status_code == 200


@pytest.mark.parametrize(
    "told", [{"password1": "short", "password2": "short"}, {"password2": "something else"}, {"username": ""}, {"time_zone": "Moon/Base"}]
)  # fmt: skip
def test_a_form_that_is_wrong_makes_no_account_and_keeps_the_link(
    stranger: Client, told: dict[str, str]
) -> None:
    token = invite_person()

    assert join(stranger, token, **told) == 400
    assert not User.objects.exists()
    assert join(stranger, token) == 303


def test_name_and_password_let_a_person_in_and_the_door_out_works(stranger: Client) -> None:
    accept_invitation(invite_person(), name="ada", password=PASSWORD)

    wrong = stranger.post(reverse("login"), {"username": "ada", "password": "guess"})
    right = stranger.post(reverse("login"), {"username": "ada", "password": PASSWORD, "next": "/money/"})

    assert wrong.status_code == 400
    assert "do not belong together" in wrong.content.decode()
    assert (right.status_code, right["Location"]) == (303, "/money/")
    assert stranger.get("/money/").status_code == 200
    stranger.post(reverse("logout"))
    assert stranger.get("/money/").status_code == 302


def test_signing_in_leads_nowhere_outside(stranger: Client) -> None:
    accept_invitation(invite_person(), name="ada", password=PASSWORD)

    answer = stranger.post(
        reverse("login"), {"username": "ada", "password": PASSWORD, "next": "https://evil.example/"}
    )

    assert answer["Location"] == "/"


def test_a_link_cannot_sign_out(owner: Client) -> None:
    assert owner.get(reverse("logout")).status_code == 405
    assert owner.get("/").status_code == 200


@pytest.mark.parametrize("role", ["owner", "operator"])
def test_two_taps_stop_everything(role: str, request: pytest.FixtureRequest) -> None:
    client: Client = request.getfixturevalue(role)

    page = client.get(reverse("stop"))
    assert "Stop everything now" in page.content.decode()
    assert not is_stopped()

    client.post(reverse("stop"))

    assert is_stopped()
    assert "Everything is stopped" in client.get("/").content.decode()
    assert AuditRow.objects.get(verb="core.stop_everything").actor == f"{role}:the-{role}"


def test_a_viewer_cannot_stop(viewer: Client) -> None:
    assert "Stop everything now" not in viewer.get(reverse("stop")).content.decode()
    assert viewer.post(reverse("stop")).status_code == 403
    assert not is_stopped()


def test_only_the_owner_starts_again(owner: Client, operator: Client) -> None:
    owner.post(reverse("stop"))

    assert operator.post(reverse("start")).status_code == 403
    assert is_stopped()
    assert owner.post(reverse("start")).status_code == 303
    assert not is_stopped()


def test_a_link_neither_stops_nor_starts(owner: Client) -> None:
    assert owner.get(reverse("start")).status_code == 405
    owner.get(reverse("stop"))
    assert not is_stopped()
