"""What an approval is bound to, what its card may say, which cards stand together, and how askers fared."""

from approvals.rules.binding import (
    MOST_ROUNDS,
    TITLE_LENGTH,
    UNKNOWN_WORST_MICROUSD,
    USE_WITHIN,
    digest_of_effect,
    kind_of_ask,
    next_reminder,
    oldest_answer_in_force,
    reminders_gone,
    urgency,
)
from approvals.rules.cards import Card, Waiting, cards_of
from approvals.rules.drafts import RequestDraft
from approvals.rules.records import Answered, GateRecord, records_of
from approvals.rules.words import unbound_words

__all__ = [
    "MOST_ROUNDS", "TITLE_LENGTH", "UNKNOWN_WORST_MICROUSD", "USE_WITHIN", "Answered", "Card", "GateRecord", "RequestDraft",
    "Waiting", "cards_of", "digest_of_effect", "kind_of_ask", "next_reminder", "oldest_answer_in_force", "records_of",
    "reminders_gone", "unbound_words", "urgency",
]  # fmt: skip
