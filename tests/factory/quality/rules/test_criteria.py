"""Criteria: read from JSON or refused by place, and partly hidden from who builds."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.quality.errors import CriterionInvalid
from factory.quality.rules.criteria import (
    Criterion,
    Step,
    Then,
    hidden_words,
    hide,
    parse_criteria,
    spelled,
)
from tests.factory.quality.sample import criteria, raw_criteria

FEATURES = st.lists(st.sampled_from(["F1", "F2", "F3", "F4", "F5"]), max_size=30)


def promises_of(features: list[str]) -> tuple[Criterion, ...]:
    when = Step("anna", "GET", "/")
    return tuple(Criterion(f"c{n}", feature, (), when, Then(200)) for n, feature in enumerate(features))


def a_raw(**changes: Any) -> dict[str, Any]:
    return {**raw_criteria()[0], **changes}


def test_what_is_read_is_spelled_as_it_was() -> None:
    assert [spelled(criterion) for criterion in parse_criteria(raw_criteria())] == raw_criteria()


@pytest.mark.parametrize(
    ("broken", "where"),
    [
        ({"when": {}}, "$[1].when"),
        ({"then": {"status": 20, "text": "", "absent": "", "times": 0}}, "$[1].then.status"),
        ({"id": "Not so"}, "$[1].id"),
        ({"given": [{**raw_criteria()[0]["when"], "as": "eve"}]}, "$[1].given[0].as"),
        ({"given": [{**raw_criteria()[0]["when"], "path": "http://elsewhere"}]}, "$[1].given[0].path"),
        ({"when": {**raw_criteria()[0]["when"], "keep": "(a"}}, "$[1].when.keep"),
        ({"when": {**raw_criteria()[0]["when"], "keep": "no group"}}, "$[1].when.keep"),
        ({"when": {**raw_criteria()[0]["when"], "keep": "(a+)+b"}}, "$[1].when.keep"),
        ({"when": {**raw_criteria()[0]["when"], "times": 10_000}}, "$[1].when.times"),
        ({"when": {**raw_criteria()[0]["when"], "as": "site", "method": "POST"}}, "$[1].when.as"),
        ({"free": "key"}, "$[1]"),
    ],
)
def test_a_broken_one_is_refused_by_its_place(broken: dict[str, Any], where: str) -> None:
    with pytest.raises(CriterionInvalid) as refused:
        parse_criteria([a_raw(), a_raw(id="other", **broken) if "id" not in broken else a_raw(**broken)])

    assert refused.value.facts["where"] == where


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(CriterionInvalid) as refused:
        parse_criteria([a_raw(), a_raw()])

    assert "added-is-listed" in str(refused.value)


@given(FEATURES, st.text(max_size=8))
def test_of_every_feature_one_stays_shown_and_at_most_a_third_is_hidden(
    features: list[str], seed: str
) -> None:
    promised = promises_of(features)

    shown, hidden = hide(promised, seed=seed)

    assert sorted(item.id for item in (*shown, *hidden)) == sorted(item.id for item in promised)
    assert {item.feature for item in shown} == set(features)
    assert len(hidden) <= round(0.3 * len(promised))


@given(FEATURES, st.randoms(use_true_random=False))
def test_the_split_depends_on_seed_and_names_alone(features: list[str], dice: Any) -> None:
    promised = list(promises_of(features))
    _, hidden = hide(promised, seed="7")
    dice.shuffle(promised)

    assert {item.id for item in hide(promised, seed="7")[1]} == {item.id for item in hidden}


def test_of_nineteen_promises_six_are_hidden_and_other_seeds_hide_others() -> None:
    splits = {frozenset(item.id for item in hide(criteria(), seed=str(seed))[1]) for seed in range(10)}

    assert {len(split) for split in splits} == {6}
    assert len(splits) > 5


def test_hidden_words_are_those_that_no_shown_promise_holds() -> None:
    shown, hidden = criteria("added-is-listed"), criteria("export-runs-no-formula", "list-is-own")

    words = hidden_words(shown, hidden)

    assert {"export-runs-no-formula", "list-is-own", "'=1+1"} <= words
    assert "First one" not in words
