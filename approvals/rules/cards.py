"""Which waiting questions stand on one card: equal ones in numbers, and those of one story that come together."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from approvals.rules.binding import UNKNOWN_WORST_MICROUSD, urgency

EQUAL_AT_MOST: Final = 5
EQUAL_WITHIN: Final = timedelta(hours=1)
"""More equal questions than that within this time become one card. Source: R-12.29."""
BUNDLE_WITHIN: Final = timedelta(seconds=60)
"""Questions of one story that come within this time after the first arrive together. Source: R-12.13."""


@dataclass(frozen=True)
class Waiting:
    """What decides on which card a waiting question stands."""

    id: UUID
    alike: str
    story: UUID | None
    asked_at: datetime
    deadline: datetime
    worst_case_microusd: int | None


@dataclass(frozen=True)
class Card:
    """One row of the list: a question, equal ones, or a bundle of one story; the oldest first."""

    kind: Literal["one", "equal", "bundle"]
    items: tuple[Waiting, ...]

    @property
    def deadline(self) -> datetime:
        """When the first of them is over."""
        return min(one.deadline for one in self.items)

    @property
    def worst_case_microusd(self) -> int | None:
        """What all of them can cost together; None: one of them is not known."""
        return None if self.unknown else self.known_microusd

    @property
    def known_microusd(self) -> int:
        """What those of them cost together that are known."""
        return sum(one.worst_case_microusd or 0 for one in self.items)

    @property
    def unknown(self) -> int:
        """Of how many the worst case is not known."""
        return sum(one.worst_case_microusd is None for one in self.items)

    def urgency_at(self, now: datetime) -> float:
        """Return micro-dollars at stake per hour left at business time `now`; what is not known counts as much."""
        stakes = [
            UNKNOWN_WORST_MICROUSD if one.worst_case_microusd is None else one.worst_case_microusd
            for one in self.items
        ]
        return urgency(worst_case_microusd=sum(stakes), left=self.deadline - now)


def cards_of(waiting: Iterable[Waiting], *, now: datetime) -> list[Card]:
    """Put every question on exactly one card, and the cards in order: most money per hour left first."""
    oldest_first = sorted(waiting, key=lambda one: (one.asked_at, one.id))
    equal, rest = _equal(oldest_first)
    return sorted(equal + _bundles(rest), key=lambda card: (-card.urgency_at(now), card.items[0].id))


def _equal(waiting: Sequence[Waiting]) -> tuple[list[Card], list[Waiting]]:
    """Return the cards of equal questions, and whoever stands on none of them."""
    kinds: dict[str, list[Waiting]] = defaultdict(list)
    for one in waiting:
        kinds[one.alike].append(one)
    many = {kind for kind, ones in kinds.items() if kind and _is_flood(ones)}
    return [Card("equal", tuple(kinds[kind])) for kind in many], [
        one for one in waiting if one.alike not in many
    ]


def _is_flood(ones: Sequence[Waiting]) -> bool:
    pairs = zip(ones, ones[EQUAL_AT_MOST:], strict=False)
    return any(last.asked_at - first.asked_at <= EQUAL_WITHIN for first, last in pairs)


def _bundles(waiting: Sequence[Waiting]) -> list[Card]:
    """A bundle begins with a question that no bundle of its story reaches."""
    found: list[list[Waiting]] = []
    open_ones: dict[UUID, list[Waiting]] = {}
    for one in waiting:
        bundle = open_ones.get(one.story) if one.story else None
        if bundle is None or one.asked_at - bundle[0].asked_at > BUNDLE_WITHIN:
            bundle = []
            found.append(bundle)
            if one.story:
                open_ones[one.story] = bundle
        bundle.append(one)
    return [Card("bundle" if len(ones) > 1 else "one", tuple(ones)) for ones in found]
