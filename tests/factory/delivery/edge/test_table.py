"""What may be asked of the edge, which routes follow from it, and how counted durations are read."""

from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.delivery.adapters.edge.routes import NOBODY, files_of
from factory.delivery.adapters.edge.table import Malformed, Route, Spec, key_of, next_route, parse_table
from factory.delivery.adapters.edge.table import Site as EdgeSite
from factory.delivery.adapters.edge.tally import upper_us
from factory.delivery.ports import Counters, LaunchSpec, Site, Table

OLD, NEW = (
    Spec(release=name, argv=["a"], cwd="/", env={}, health="/health", start_s=1, drain_s=1, stop_s=1)
    for name in ("v1", "v2")
)
RUN = Path("/run/edge")


def keys(*specs: Spec) -> set[str]:
    """The launches of some specs."""
    return {key_of("shop", spec) for spec in specs}


def site(stable: Spec | None, candidate: Spec | None = None, *, weight: int = 0) -> EdgeSite:
    """What is asked for the shop."""
    return EdgeSite(port=8000, preview_port=8001, stable=stable, candidate=candidate, weight=weight)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("../shop", Site(port=8000)),
        ("", Site(port=8000)),
        ("shop", Site(port=0)),
        ("shop", Site(port=8000, preview_port=8000)),
        ("shop", Site(port=8000, weight=101)),
        ("shop", Site(port=8000, stable=LaunchSpec(release="v1", argv=[], cwd="/"))),
        ("shop", Site(port=8000, stable=LaunchSpec(release="v1", argv=["a\0b"], cwd="/"))),
        ("shop", Site(port=8000, stable=LaunchSpec(release="v1", argv=["a"], cwd="/", health="no path"))),
        ("shop", Site(port=8000, stable=LaunchSpec(release="v1", argv=["a"], cwd="/", drain_s=-1))),
    ],
)
def test_what_cannot_be_run_is_refused_before_it_is_written_down(name: str, asked: Site) -> None:
    with pytest.raises(Malformed, match="is not"):
        parse_table(asdict(Table(generation=1, products={name: asked})))


def test_an_unproved_candidate_gets_no_user_whatever_weight_was_asked() -> None:
    route = next_route("shop", site(OLD, NEW, weight=100), was=None, ready=keys(OLD), known=keys(OLD, NEW))

    assert (route.candidate, route.weight) == (None, 0)
    assert files_of(route, run=RUN)["candidate"] == NOBODY


def test_the_old_stable_launch_serves_until_the_new_one_proved_itself() -> None:
    was = next_route("shop", site(OLD), was=None, ready=keys(OLD), known=keys(OLD))

    waiting = next_route("shop", site(NEW), was=was, ready=keys(OLD), known=keys(OLD, NEW))
    proved = next_route("shop", site(NEW), was=was, ready=keys(OLD, NEW), known=keys(OLD, NEW))

    assert {waiting.stable} == keys(OLD)
    assert {proved.stable} == keys(NEW)


def test_a_routed_launch_that_crashed_keeps_its_route_so_that_users_wait_for_it() -> None:
    was = next_route("shop", site(OLD), was=None, ready=keys(OLD), known=keys(OLD))

    assert next_route("shop", site(OLD), was=was, ready=set(), known=keys(OLD)) == was


@given(st.integers(min_value=0, max_value=99), st.uuids())
def test_a_rising_weight_only_adds_visitors(weight: int, visitor: object) -> None:
    low, high = (files_of(Route("a.1", "a.2", share, "v2"), run=RUN) for share in (weight, weight + 1))

    def is_at_candidate(ways: dict[str, str]) -> bool:
        return f"{high['salt'] or low['salt']}{visitor}" < ways["point"]

    assert is_at_candidate(low) <= is_at_candidate(high)


@given(st.floats(min_value=0.000016, max_value=4000))
def test_a_counted_duration_is_read_back_within_a_sixteenth(seconds: float) -> None:
    counted = Counters(answers=1, errors_5xx=0, took_us={upper_us(seconds): 1})

    read = counted.percentile_ms(0.99)

    assert read is not None
    assert seconds * 1000 <= read <= seconds * 1000 * (1 + 1 / 16) + 0.001


def test_a_window_is_the_difference_of_two_readings_and_unknown_stays_unknown() -> None:
    before = Counters(answers=4, errors_5xx=1, broken=1, took_us={16: 4})
    after = Counters(answers=9, errors_5xx=1, broken=3, took_us={16: 4, 2048: 5})

    window = after.since(before)

    assert (window.answers, window.errors_5xx, window.broken, window.edge_5xx) == (5, 0, 2, None)
    assert window.percentile_ms(0.01) == 2.048
    assert after.since(after).percentile_ms(0.5) is None
