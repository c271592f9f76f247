"""The verdict: every gate present and green, or a no."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.quality.rules.evidence import Evidence, Fault, Severity
from factory.quality.rules.verdict import GATES, rule_on

SEVERITIES = st.lists(st.sampled_from(list(Severity)), max_size=3)
STATES = st.fixed_dictionaries(
    {
        gate: st.tuples(st.sampled_from([True, True, True, False, None, "missing"]), SEVERITIES)
        for gate in GATES
    }
)


def green() -> list[Evidence]:
    return [Evidence(gate, True, "fine") for gate in GATES]


def test_all_gates_green_is_a_pass() -> None:
    ruling = rule_on(green())

    assert ruling.passed
    assert ruling.reasons == ()


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("broken", [Evidence("", False, "broken"), Evidence("", None, "broken")])
def test_each_gate_alone_turns_it_red(gate: str, broken: Evidence) -> None:
    evidence = [replace(broken, gate=gate) if item.gate == gate else item for item in green()]

    ruling = rule_on(evidence)

    assert not ruling.passed
    assert ruling.reasons == (f"{gate}: broken",)


@pytest.mark.parametrize("gate", GATES)
def test_a_missing_gate_is_a_no(gate: str) -> None:
    assert rule_on([item for item in green() if item.gate != gate]).reasons == (f"{gate}: no evidence",)


@given(STATES)
def test_a_pass_means_that_every_gate_was_measured_green_without_a_blocking_finding(
    states: dict[str, tuple[bool | str | None, list[Severity]]],
) -> None:
    evidence = [
        Evidence(gate, state, "", tuple(Fault(severity, "x") for severity in found))
        for gate, (state, found) in states.items()
        if not isinstance(state, str)
    ]

    is_clean = all(state is True and {*found} <= {Severity.LOW} for state, found in states.values())
    assert rule_on(evidence).passed == is_clean


def test_a_green_gate_twice_and_once_red_is_red() -> None:
    assert not rule_on([*green(), Evidence("tests", False, "second run failed")]).passed


def test_an_opinion_makes_it_stricter_never_milder() -> None:
    refusal, praise = Evidence("review", False, "no"), Evidence("review", True, "yes")

    assert rule_on([*green(), refusal]).reasons == ("review: no",)
    assert not rule_on([*green()[1:], praise]).passed
