"""Waiting questions as rows of a list: one, equal ones, or a bundle."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from approvals.models import Request
from approvals.rules import Card


@dataclass(frozen=True)
class Row:
    """One card with its oldest question, which speaks for all on it."""

    card: Card
    request: Request

    @property
    def more(self) -> int:
        """How many questions stand behind the one that is shown."""
        return len(self.card.items) - 1


def cards_now(now: datetime) -> list[Card]:
    """Return what waits, the most money per hour left first."""
    return Request.objects.cards(now)


def one_by_one(cards: Sequence[Card], *, now: datetime) -> list[Card]:
    """Return the same questions, each on a card of its own."""
    singles = [Card("one", (one,)) for card in cards for one in card.items]
    return sorted(singles, key=lambda card: (-card.urgency_at(now), card.items[0].id))


def shown(cards: Sequence[Card]) -> list[Row]:
    """Return these cards with what is shown of them."""
    oldest = {
        one.pk: one for one in Request.objects.for_lists().in_order([card.items[0].id for card in cards])
    }
    return [Row(card, oldest[card.items[0].id]) for card in cards if card.items[0].id in oldest]
