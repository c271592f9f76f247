"""What becomes of a group: named, excluded, linked, thin or scored, each with its reason."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from portfolio.rules.exclusion import Field
from portfolio.rules.landscape import Group
from portfolio.rules.opportunity import Before, Bench, Candidate, candidates, first_sentence
from portfolio.rules.scoring import Outside
from portfolio.rules.signals import Signal
from portfolio.rules.words import PhraseList
from tests.portfolio.builders import AS_OF, a_group, a_signal, yardsticks

BENCH = Bench(
    AS_OF, [Field("health", "health is a regulated field", PhraseList.of(["patient*"]))], yardsticks()
)
NOTHING = Before({})


def some(*keys: str, text: str = "It is broken.", price: str = "9") -> list[Signal]:
    """Return complete signals from two sources."""
    sources = ("forum", "review")
    return [
        a_signal(key, text=text, price=price, source=sources[place % 2]) for place, key in enumerate(keys)
    ]


def decide(
    groups: Sequence[Group], signals: Sequence[Signal], *, before: Before = NOTHING, bench: Bench = BENCH
) -> list[Candidate]:
    return list(
        candidates(groups, signals={signal.id: signal for signal in signals}, bench=bench, before=before)
    )


def test_enough_known_evidence_is_scored_with_its_reason() -> None:
    [found] = decide([a_group("a", "b", "c")], some("a", "b", "c"))

    assert found.state == "scored"
    assert found.score
    assert found.score.points == 86.6
    assert found.reason == "goes to validation: 86.6 of 100, between 56.3 and 91.3, 65% known, uncalibrated"


@pytest.mark.parametrize(
    ("signals", "group", "reason"),
    [
        (some("a", "b"), a_group("a", "b"), "2 signals count, 3 are needed"),
        (some("a", "b", "n"), a_group("a", "b", noise=("n",)), "2 signals count, 3 are needed"),
        (
            [*some("a", "b"), replace(a_signal("c"), day=None)],
            a_group("a", "b", "c"),
            "2 signals have an address and a date, 3 are needed",
        ),
        (
            [*some("a", "b"), replace(a_signal("c"), url="http://www.forum.example/a/#again")],
            a_group("a", "b", "c"),
            "2 signals have an address and a date, 3 are needed",
        ),
        (
            [replace(signal, source="forum") for signal in some("a", "b", "c")],
            a_group("a", "b", "c"),
            "all signals come from one source (forum)",
        ),
        (
            [replace(signal, price_usd=None) for signal in some("a", "b", "c")],
            a_group("a", "b", "c"),
            "50% of the weight is known, 60% is needed",
        ),
    ],
)
def test_too_little_is_thin_and_not_scored(signals: list[Signal], group: Group, reason: str) -> None:
    [found] = decide([group], signals)

    assert (found.state, found.reason) == ("thin", reason)
    assert found.score is None or found.score.points is None


def test_an_excluded_group_is_not_scored_whatever_its_numbers() -> None:
    signals = [*some("a", "b"), *some("c", text="Patients wait.")]

    [found] = decide([a_group("a", "b", "c")], signals)

    assert (found.state, found.score) == ("excluded", None)
    assert "health" in found.reason


def test_noise_in_a_group_neither_excludes_nor_speaks_for_it() -> None:
    signals = [*some("a", "b", "c"), *some("x", "y", text="Patients wait.", price="900")]

    [found] = decide([a_group("a", "b", "c", noise=("x", "y"))], signals)

    assert found.state == "scored"
    assert found.title == "About a"


@pytest.mark.parametrize(
    ("outside", "reason"),
    [
        (Outside(trend="falling"), "the interest in it is falling"),
        (Outside(funded_incumbents=("Bigco",)), "a race with funded rivals: Bigco"),
    ],
)
def test_falling_interest_and_funded_rivals_exclude_when_data_says_so(outside: Outside, reason: str) -> None:
    [found] = decide([a_group("a", "b", "c")], some("a", "b", "c"), bench=replace(BENCH, outside=outside))

    assert (found.state, found.reason) == ("excluded", reason)


def test_the_smaller_of_two_likenesses_repeats_the_larger_one() -> None:
    small = a_group("a", "b", "c", among=(1.0, 0.40))
    large = a_group("d", "e", "f", "g", among=(0.40, 1.0))

    first, second = decide([small, large], some(*"abcdefg"))

    assert (first.state, len(first.group.members)) == ("scored", 4)
    assert (second.state, second.original) == ("duplicate", first.name)
    assert "likeness 0.40 of the centres" in second.reason


def test_just_below_the_line_two_needs_stay_two() -> None:
    groups = [a_group("a", "b", "c", among=(1.0, 0.399)), a_group("d", "e", "f", among=(0.399, 1.0))]

    assert [found.state for found in decide(groups, some(*"abcdef"))] == ["scored", "scored"]


def test_what_stood_before_is_the_original_and_its_outcome_is_named() -> None:
    before = Before({}, ages=["opp-old"], outcomes={"opp-old": "failed"})

    [found] = decide([a_group("a", "b", "c", older={"opp-old": 0.6})], some("a", "b", "c"), before=before)

    assert (found.state, found.original) == ("duplicate", "opp-old")
    assert "repeats opp-old (failed)" in found.reason


def test_a_name_follows_most_of_its_earlier_signals() -> None:
    before = Before({"a": "opp-1", "b": "opp-1", "c": "opp-1"}, ages=["opp-1"])

    stays, goes = decide(
        [a_group("a", "b", "d", "e"), a_group("c", "f", "g")], some(*"abcdefg"), before=before
    )

    assert stays.name == "opp-1"
    assert goes.name != "opp-1"


def test_where_two_merge_the_older_name_stays_and_links_the_other() -> None:
    before = Before({"a": "opp-young", "b": "opp-young", "c": "opp-old"}, ages=["opp-old", "opp-young"])

    [found] = decide([a_group("a", "b", "c")], some("a", "b", "c"), before=before)

    assert (found.name, found.merged) == ("opp-old", ("opp-young",))


def test_names_are_made_of_what_is_said_not_of_ids() -> None:
    [one] = decide([a_group("a", "b", "c")], some("a", "b", "c"))
    renamed = [replace(signal, id=f"new-{signal.id}") for signal in some("a", "b", "c")]
    [other] = decide([a_group("new-a", "new-b", "new-c")], renamed)

    assert one.name == other.name


def test_title_and_problem_are_those_of_the_most_central_signal() -> None:
    signals = [a_signal("a", text="The list breaks. It is old."), a_signal("b"), a_signal("c")]

    [found] = decide([a_group("a", "b", "c")], signals)

    assert (found.title, found.problem) == ("About a", "The list breaks.")


def test_a_problem_is_one_line_of_bounded_length() -> None:
    assert first_sentence("It\n breaks! Why?") == "It breaks!"
    assert len(first_sentence("x" * 5000)) == 300


def test_a_crowd_is_shown_to_the_owner() -> None:
    keys = [f"k{number}" for number in range(61)]

    [found] = decide([a_group(*keys)], some(*keys))

    assert found.looks == ("61 signals in one group: probably several needs",)
