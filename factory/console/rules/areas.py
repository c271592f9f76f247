"""Health in order: which check belongs where, and what each service that the factory stands on holds up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

AREAS: Final[Mapping[str, tuple[str, ...]]] = {
    "Database and files": ("database", "disk", "backups", "settings"),
    "Money": ("ledger", "holds", "bills", "calls"),
    "Models": ("models", "provider answers", "provider caps"),
    "Work": ("work.queue", "work.dead_letters", "workers", "messages", "facts", "traces"),
    "Live products": ("products",),
    "This machine": ("git", "sentence model"),
}
OTHERS: Final = "More"
NAMES: Final[Mapping[str, str]] = {
    "work.queue": "Queue",
    "work.dead_letters": "Gave up after 3 tries",
    "holds": "Holds without an owner",
    "bills": "Bills above what was authorised",
    "calls": "Ledger against calls",
    "ledger": "Ledger against limits",
    "messages": "Messages that wake workers",
    "facts": "Facts on their way",
    "models": "Model makers",
    "provider answers": "Answers of model makers",
    "provider caps": "Caps at model makers",
    "traces": "Traces told to Langfuse",
    "products": "Live products",
}


@dataclass(frozen=True)
class Service:
    """One thing outside the factory's own code, and what its absence means. Source: R-20.3.

    Attributes:
        check: the check that says whether it is there.
    """

    name: str
    check: str
    embedded: str
    full: str
    stops: str
    goes_on: str


SERVICES: Final = (
    Service("Database", "database", "SQLite, a file", "PostgreSQL", "Everything but live products.", "Live products serve; what was written stays written."),
    Service("Messages", "messages", "threads", "Redis", "Nothing; workers look by themselves, pages poll.", "All work, a few seconds later."),
    Service("Workers", "workers", "threads of one process", "Celery workers", "Work of agents and jobs waits in its queue.", "Pages, answers, limits, live products."),
    Service("Model makers", "models", "rehearsed", "their own addresses", "Agents wait; an attempt that lost its maker is tried at the next.", "Jobs, answers, pages, live products."),
    Service("Edge", "products", "a process beside it", "a process beside it", "No product is served, no new version starts.", "All work; products come back as they were."),
    Service("Sentence model", "sentence model", "a file", "a file", "New signals are not grouped.", "All else; signals wait."),
    Service("Trace store", "traces", "none, or a Langfuse", "none, or a Langfuse", "Nothing; what it misses waits, then is dropped and counted.", "All; the factory's own rows hold every trace."),
    Service("git", "git", "a program", "a program", "No code is written or merged.", "All else."),
)  # fmt: skip


def area_of(check: str) -> str:
    """Return where a check is shown."""
    return next((area for area, checks in AREAS.items() if check in checks), OTHERS)


def name_of(check: str) -> str:
    """Return what a check is called."""
    return NAMES.get(check, check.replace("_", " ").replace(".", ": ").capitalize())
