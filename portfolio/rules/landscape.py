"""The landscape of signals: what is charted, and the groups the chart shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from portfolio.rules.signals import Signal
from portfolio.rules.words import WordLists, address_words, spoken_words, wording

SMALLEST_OPPORTUNITY: Final = 3
DUPLICATE_COSINE: Final = 0.40
CROWDED: Final = 60


@dataclass(frozen=True)
class Point:
    """A signal as it is charted.

    Attributes:
        text: title, text and address words, read for its meaning.
        plain: title and text alone.
    """

    key: str
    text: str
    plain: str
    words: tuple[str, ...]
    address: tuple[str, ...]


@dataclass(frozen=True)
class Prototypes:
    """Sentences that stand for each excluded field, and for ordinary business."""

    fields: Mapping[str, Sequence[str]]
    ordinary: Sequence[str]

    @classmethod
    def from_lists(cls, lists: Mapping[str, Any]) -> "Prototypes":
        """Give the sentences of the data file."""
        return cls(lists["fields"], lists["ordinary"])


@dataclass(frozen=True)
class ReferenceMean:
    """The mean meaning of a fixed sample; similarities hold on its scale alone."""

    scale: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Member:
    """Why a signal is in its group.

    Attributes:
        similarity: its mean similarity to the rest of the group.
        nearest: up to three members it is most like, with their similarity.
    """

    key: str
    similarity: float
    is_evidence: bool
    nearest: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Group:
    """Signals that speak of one need, in canonical order.

    Attributes:
        centre: the middle of the evidence, as packed by the chart.
        margins: by excluded field, how much nearer the evidence is to it than to ordinary business.
        among: cosine of its centre to that of each group of the chart.
        older: cosine of its centre to that of each older opportunity.
    """

    members: tuple[Member, ...]
    centre: str
    margins: Mapping[str, float]
    among: tuple[float, ...]
    older: Mapping[str, float]

    @property
    def evidence(self) -> tuple[Member, ...]:
        """The members that count."""
        return tuple(member for member in self.members if member.is_evidence)


@dataclass(frozen=True)
class Chart:
    """The groups of a chart and the meanings it had to read anew, by text."""

    groups: tuple[Group, ...]
    vectors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sketch:
    """Where one lone text stands: its centre, its margins by field, its cosine to older opportunities."""

    centre: str
    margins: Mapping[str, float]
    older: Mapping[str, float]
    vectors: Mapping[str, str] = field(default_factory=dict)


def point_of(signal: Signal, *, key: str, lists: WordLists) -> Point:
    """Give `signal` as it is charted, under `key`."""
    plain = wording(signal.title, signal.text)
    address = address_words(signal.url, lists=lists)
    return Point(
        key=key,
        text=" ".join([plain, *address]),
        plain=plain,
        words=tuple(spoken_words(plain, lists=lists)),
        address=tuple(address),
    )


def group_of(entry: Mapping[str, Any], *, among: Sequence[float], older: Mapping[str, float]) -> Group:
    """Give one group of a chart's answer."""
    members = tuple(
        Member(
            key=member["key"],
            similarity=member["similarity"],
            is_evidence=member["is_evidence"],
            nearest=tuple((key, similarity) for key, similarity in member["nearest"]),
        )
        for member in entry["members"]
    )
    return Group(members, entry["centre"], entry["margins"], tuple(among), older)


def chart_of(answer: Mapping[str, Any]) -> Chart:
    """Give the chart of a child's answer."""
    groups = tuple(
        group_of(entry, among=among, older={name: row[index] for name, row in answer["older"].items()})
        for index, (entry, among) in enumerate(zip(answer["groups"], answer["among"], strict=True))
    )
    return Chart(groups, answer["vectors"])
