"""What a release may become, when it is red, and how a broken promise is told."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.delivery import rules
from factory.delivery.models import Release

PROBE = {"ok": False, "was_ready": False, "is_late": False, "crashes": 0, "is_trusted": False}


def test_every_state_has_its_moves_and_no_move_leads_to_an_unknown_state() -> None:
    assert set(rules.MOVES) == set(Release.State.values)
    assert set().union(*rules.MOVES.values()) <= set(rules.MOVES)


def test_nobody_meets_what_was_not_approved_and_tried_and_what_was_refused_or_taken_back_stays_so() -> None:
    def reached_from(state: str, *, without: str) -> set[str]:
        seen, fresh = {state}, {state}
        while fresh:
            fresh = set().union(*(rules.MOVES[one] for one in fresh)) - seen - {without}
            seen |= fresh
        return seen

    for gate in ("approved", "trying", "switching"):
        assert "live" not in reached_from("asked", without=gate)
    assert rules.MOVES["refused"] == rules.MOVES["rolled_back"] == set()


@pytest.mark.parametrize(
    ("seen", "red"),
    [
        ({"ok": True, "was_ready": True}, False),
        ({"was_ready": True}, True),
        ({"is_late": True}, True),
        ({}, False),
        ({"crashes": 1}, False),
        ({"crashes": 2}, True),
        ({"crashes": 2, "is_trusted": True}, False),
        ({"crashes": 2, "is_trusted": True, "is_late": True}, True),
        ({"ok": True, "is_late": True, "crashes": 9}, False),
    ],
)
def test_a_probe_is_red_when_what_had_proved_itself_no_longer_does_not_while_it_starts(
    seen: dict[str, bool | int],
    red: bool,  # noqa: FBT001 (a parameter of the test)
) -> None:
    assert rules.is_red(**{**PROBE, **seen}) is red  # type: ignore[arg-type]


def test_a_release_is_trusted_after_half_an_hour() -> None:
    assert not rules.is_trusted_after(timedelta(minutes=29, seconds=59))
    assert rules.is_trusted_after(timedelta(minutes=30))


@given(st.lists(st.integers(1, 40), unique=True), st.frozensets(st.integers(1, 40)))
def test_ports_are_the_first_two_that_are_free_or_none(ports: list[int], taken: frozenset[int]) -> None:
    free = [port for port in ports if port not in taken]

    assert rules.next_ports(ports, taken=taken) == ((free[0], free[1]) if len(free) > 1 else None)


@given(st.lists(st.integers(1, 50)))
def test_a_version_is_one_more_than_all_before(versions: list[int]) -> None:
    assert rules.version_after(versions) == max([0, *versions]) + 1


def test_a_broken_promise_is_told_by_method_path_and_status_never_by_its_texts() -> None:
    said = {"method": "POST", "path": "/certs/", "expected": 302}

    assert rules.broken_words(**said, seen=500) == "POST /certs/ answered 500 instead of 302"  # type: ignore[arg-type]
    assert rules.broken_words(**said, seen=0) == "POST /certs/ answered nothing instead of 302"  # type: ignore[arg-type]
    assert rules.broken_words(**said, seen=302) == "POST /certs/ answered 302, but not what was promised"  # type: ignore[arg-type]
