"""The chart: same needs together, whatever the file's order, its ids or what is missing from it."""

import json
import random
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from portfolio.adapters import child
from portfolio.adapters.child import ChildLandscape
from portfolio.adapters.line_file import read_lines
from portfolio.adapters.scan_data import ScanData
from portfolio.errors import LandscapeFailed, ModelMissing
from portfolio.rules.landscape import Chart, point_of
from portfolio.rules.signals import Signal, sift
from tests.portfolio.conftest import AS_OF, ROOT, Charted, points

# Signals whose need is plain to a reader, sorted by hand; the numbers are those of their ids.
BY_HAND = {
    "watch scheduled jobs": (4, 19, 27, 68, 83, 104, 130, 145, 249, 252, 268, 282, 287, 288),
    "warn before a domain ends": (18, 23, 31, 74, 80, 92, 114, 178, 234, 238, 242, 261),
    "issue electronic invoices": (51, 66, 78, 113, 117, 147, 157, 226, 230, 235, 254, 279),
    "relay webhooks": (16, 25, 37, 42, 46, 84, 95, 103, 131, 152, 190),
    "check links without false alarms": (2, 15, 38, 65, 163, 174, 195, 225, 290),
    "test that backups restore": (3, 24, 33, 34, 57, 69, 91, 107, 180, 200, 223, 291),
    "chapters and transcripts": (26, 125, 146, 173, 216, 273),
}


def f1(found: set[frozenset[str]], key: list[frozenset[str]]) -> float:
    """Give the pairwise F1 of `found` over the signals of `key`."""
    keyed = frozenset().union(*key)
    truth = {pair for group in key for pair in combinations(sorted(group), 2)}
    said = {pair for group in found for pair in combinations(sorted(group & keyed), 2)}
    return 2 * len(truth & said) / (len(truth) + len(said))


def agreement(one: set[frozenset[str]], other: set[frozenset[str]], *, among: set[str]) -> float:
    """Give how far two groupings agree on the pairs of `among`, as F1."""
    pairs = [
        {pair for group in groups for pair in combinations(sorted(group & among), 2)}
        for groups in (one, other)
    ]
    return 2 * len(pairs[0] & pairs[1]) / (len(pairs[0]) + len(pairs[1]))


def chart_again(charted: Charted, data: ScanData, grouping: ChildLandscape, signals: list[Signal]) -> Charted:
    """Chart other signals; what was read before is not read again."""
    chart = grouping.chart(points(signals, data), stored={}, older={}, known=charted.chart.vectors)
    return Charted({signal.id: signal for signal in signals}, chart)


def test_signals_of_one_need_stand_together(charted: Charted) -> None:
    key = [frozenset(f"sig-{number:03d}" for number in numbers) for numbers in BY_HAND.values()]

    assert f1(charted.groups(), key) >= 0.82


def test_needs_of_other_trades_are_told_apart_too(data: ScanData, grouping: ChildLandscape) -> None:
    path = Path(__file__).with_name("other_trades.jsonl")
    signals = sift(read_lines(path), latest=AS_OF).signals
    needs: dict[str, set[str]] = {}
    for row in map(json.loads, path.read_text().splitlines()):
        needs.setdefault(row["need"] or row["id"], set()).add(row["id"])

    chart = grouping.chart(points(list(signals), data), stored={}, older={}, known={})

    assert f1(Charted({}, chart).groups(), [frozenset(ids) for ids in needs.values()]) >= 0.82


def test_a_shuffled_file_gives_the_same_chart(
    charted: Charted, data: ScanData, grouping: ChildLandscape
) -> None:
    shuffled = list(charted.signals.values())
    random.Random(5).shuffle(shuffled)  # noqa: S311 -- dice, no secret

    again = chart_again(charted, data, grouping, shuffled)

    assert again.chart.groups == charted.chart.groups


def test_other_ids_give_the_same_groups(charted: Charted, data: ScanData, grouping: ChildLandscape) -> None:
    names = {old: f"x{number * 7919 % 1009}" for number, old in enumerate(charted.signals)}
    renamed = [replace(signal, id=names[old]) for old, signal in charted.signals.items()]

    again = chart_again(charted, data, grouping, renamed)

    assert again.groups() == {frozenset(names[key] for key in group) for group in charted.groups()}


def test_what_is_left_of_a_file_is_grouped_nearly_as_before(
    charted: Charted, data: ScanData, grouping: ChildLandscape
) -> None:
    left = random.Random(3).sample(sorted(charted.signals), 176)  # noqa: S311 -- dice, no secret

    again = chart_again(charted, data, grouping, [charted.signals[key] for key in left])

    assert agreement(again.groups(), charted.groups(), among=set(left)) >= 0.8


def test_groups_stay_when_new_signals_come_to_the_stored_ones(
    charted: Charted, data: ScanData, grouping: ChildLandscape
) -> None:
    ordered = points(list(charted.signals.values()), data)
    known = charted.chart.vectors
    first = grouping.chart(ordered[:200], stored={}, older={}, known=known)
    stored = {member.key: str(index) for index, group in enumerate(first.groups) for member in group.members}

    grown = grouping.chart(ordered, stored=stored, older={}, known=known)

    before = Charted({}, first).groups()
    among = {point.key for point in ordered[:200]}
    assert agreement(Charted({}, grown).groups(), before, among=among) >= 0.85


def test_every_member_says_why_it_is_in(charted: Charted) -> None:
    for group in charted.chart.groups:
        keys = {member.key for member in group.members}
        for member in group.members:
            near = [key for key, _ in member.nearest]
            assert len(near) == min(3, len(keys) - 1)
            assert set(near) <= keys - {member.key}
            assert member.is_evidence == (member.similarity >= 0.15)


def test_a_text_is_read_once(charted: Charted, data: ScanData, grouping: ChildLandscape) -> None:
    again = chart_again(charted, data, grouping, list(charted.signals.values()))

    assert len(charted.chart.vectors) == len(charted.signals)
    assert again.chart.vectors == {}


def test_the_reference_mean_is_that_of_its_sample(
    charted: Charted, shipped: tuple[Signal, ...], data: ScanData, grouping: ChildLandscape
) -> None:
    everyday = json.loads((ROOT / "data" / "scan" / "reference-everyday.json").read_text())
    sample = [point_of(signal, key=signal.id, lists=data.lists).text for signal in shipped[::3]] + everyday

    made = grouping.mean_of(sample, known=charted.chart.vectors)

    assert len(sample) >= 80
    assert made == pytest.approx(data.mean.values, abs=1e-5)


def test_an_older_opportunity_of_the_same_need_is_near(
    charted: Charted, data: ScanData, grouping: ChildLandscape
) -> None:
    largest = max(charted.chart.groups, key=lambda group: len(group.members))
    half = [charted.signals[member.key] for member in largest.members[::2]]

    again = grouping.chart(
        points(half, data), stored={}, older={"before": largest.centre}, known=charted.chart.vectors
    )

    assert max(group.older["before"] for group in again.groups) >= 0.40


def test_a_handful_of_signals_needs_no_group(
    charted: Charted, data: ScanData, grouping: ChildLandscape
) -> None:
    lone = [charted.signals["sig-004"]]

    assert grouping.chart([], stored={}, older={}, known={}) == Chart(())
    assert grouping.chart(points(lone, data), stored={}, older={}, known=charted.chart.vectors).groups == ()


def test_without_the_model_the_command_is_named(tmp_path: Path, data: ScanData) -> None:
    lost = ChildLandscape(model=tmp_path, mean=data.mean, prototypes=data.prototypes)

    with pytest.raises(ModelMissing, match="scripts/fetch-model"):
        lost.chart([], stored={}, older={}, known={})


def test_a_damaged_model_is_said_in_a_sentence(tmp_path: Path, data: ScanData) -> None:
    for name in child.MODEL_FILES:
        (tmp_path / name).write_bytes(b"{}")
    broken = ChildLandscape(model=tmp_path, mean=data.mean, prototypes=data.prototypes)

    with pytest.raises(LandscapeFailed):
        broken.sketch("A tool.", older={}, known={})


def test_the_child_knows_nothing_of_the_factory_and_the_factory_loads_no_numbers() -> None:
    probe = (
        "import sys, json; sys.path.append(sys.argv[1]); import landscape.__main__; "
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    inside = subprocess.run(  # noqa: S603 -- our own child
        [sys.executable, "-I", "-c", probe, str(child.FOLDER)], capture_output=True, text=True, check=True
    )
    outside = subprocess.run(
        [sys.executable, "-c", "import portfolio.adapters.child, sys; print('numpy' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(child.__file__).parents[2],
    )

    loaded = set(json.loads(inside.stdout))
    assert "numpy" in loaded
    assert loaded & {"core", "approvals", "billing", "agents", "portfolio", "factory", "django"} == set()
    assert outside.stdout.strip() == "False"


def test_margins_tell_a_regulated_field_from_ordinary_business(landscape: ChildLandscape) -> None:
    clinic = landscape.sketch(
        "A doctor's practice wants patients to see their medical records.", older={}, known={}
    )
    bakery = landscape.sketch(
        "A bakery wants its customers to order bread a day ahead.", older={}, known=clinic.vectors
    )

    assert clinic.margins["health"] >= 0.10
    assert max(bakery.margins.values()) < 0
