"""What the rows of delivery may never say, each broken once."""

from typing import Any

import pytest
from django.db import IntegrityError

from core.services import business_now
from factory.delivery.models import EdgeOrder, Place, Release
from tests.builders import a_product
from tests.factory.delivery.venture import Launch, Venture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("machine")]


def two_approved() -> tuple[Launch, Launch]:
    """Return two releases of one product that the owner said yes to, with their decisions."""
    venture = Venture()
    first, second = venture.approved(b"1"), venture.approved(b"2")
    for launch in (first, second):
        put(launch, "approved", decision=launch.request.decision)
    return first, second


def put(launch: Launch, state: str, **columns: Any) -> None:
    """Write a state past the verbs."""
    Release.objects.filter(pk=launch.release.pk).update(state=state, **columns)


def test_two_releases_of_a_product_are_never_live() -> None:
    first, second = two_approved()
    put(first, "live", live_at=business_now())

    with pytest.raises(IntegrityError, match=r"product_id"):
        put(second, "live", live_at=business_now())


def test_two_releases_of_a_product_never_stand_by() -> None:
    first, second = two_approved()
    put(first, "standby", live_at=business_now())

    with pytest.raises(IntegrityError, match=r"product_id"):
        put(second, "standby", live_at=business_now())


def test_two_releases_of_a_product_are_never_on_their_way() -> None:
    first, second = two_approved()
    put(first, "trying")

    with pytest.raises(IntegrityError, match=r"product_id"):
        put(second, "switching")


@pytest.mark.parametrize(
    "state", ["approved", "trying", "switching", "live", "standby", "rolled_back", "retired"]
)
def test_users_meet_only_what_was_approved(state: str) -> None:
    launch = Venture().offer(b"1")

    with pytest.raises(IntegrityError, match="users_meet_only_what_was_approved"):
        put(launch, state, live_at=business_now())


@pytest.mark.parametrize("state", ["live", "standby", "rolled_back", "retired"])
def test_what_met_users_says_since_when(state: str) -> None:
    launch, _ = two_approved()

    with pytest.raises(IntegrityError, match="who_met_users_says_when"):
        put(launch, state)


def test_a_state_is_one_of_the_tables() -> None:
    launch, _ = two_approved()

    with pytest.raises(IntegrityError, match="release_state_is_known"):
        put(launch, "almost")


def test_a_number_and_an_artifact_are_those_of_one_release() -> None:
    first, second = two_approved()

    with pytest.raises(IntegrityError, match=r"version"):
        put(second, "approved", version=first.release.version)


def test_an_artifact_is_released_once() -> None:
    first, second = two_approved()

    with pytest.raises(IntegrityError, match=r"artifact_id"):
        put(second, "approved", artifact=first.artifact)


def test_there_is_one_order_of_the_edge() -> None:
    with pytest.raises(IntegrityError, match="one_edge_order"):
        EdgeOrder.objects.create(id=2)


@pytest.mark.parametrize(
    "again", [{"port": 8101, "preview_port": 8104}, {"port": 8103, "preview_port": 8102}]
)
def test_a_port_belongs_to_one_product(again: dict[str, int]) -> None:
    Place.objects.create(product=a_product("One"), port=8101, preview_port=8102)

    with pytest.raises(IntegrityError, match="port"):
        Place.objects.create(product=a_product("Two"), **again)
