"""How things look and are said: shapes, tones, lengths of time, places of marks in drawings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

NEAR_LIMIT_SHARE: Final = 0.8
"""From this share of a limit on, spent and held together need a look."""
BAR_WIDTH: Final = 5.4
SPARK_WIDTH, SPARK_HEIGHT = 104.0, 34.0


@dataclass(frozen=True)
class Look:
    """How one state looks: shape, tone (empty: plain ink) and words."""

    icon: str
    tone: str
    words: str


UNKNOWN_LOOK: Final = Look("queue", "", "Not known yet")

TASK_LOOKS: Final[Mapping[str, Look]] = {
    "created": Look("queue", "", "Next"),
    "pending": Look("queue", "", "Later"),
    "ready": Look("queue", "", "Next"),
    "claimed": Look("live", "live", "Begins"),
    "running": Look("live", "live", "Works"),
    "waiting": Look("need", "need", "Waits for you"),
    "validating": Look("live", "live", "Is being judged"),
    "completed": Look("done", "good", "Done"),
    "failed": Look("fail", "harm", "Failed"),
    "retrying": Look("back", "need", "Is tried again"),
    "dead_letter": Look("fail", "harm", "Gave up"),
    "cancelled": Look("off", "", "Ended"),
}
RELEASE_LOOKS: Final[Mapping[str, Look]] = {
    "asked": Look("need", "need", "Waits for you"),
    "approved": Look("live", "live", "Approved, starts"),
    "trying": Look("live", "live", "Tried on a copy"),
    "switching": Look("live", "live", "Taking over"),
    "live": Look("done", "good", "Serves everyone"),
    "standby": Look("queue", "", "Stands by"),
    "refused": Look("fail", "harm", "Refused before anyone met it"),
    "rolled_back": Look("back", "harm", "Rolled back"),
    "retired": Look("queue", "", "Replaced"),
}
IDEA_LOOKS: Final[Mapping[str, Look]] = {
    "found": Look("queue", "", "Found"),
    "thin": Look("queue", "", "Too thin to score"),
    "excluded": Look("off", "", "Excluded by rule"),
    "duplicate": Look("dupe", "", "Duplicate"),
    "scored": Look("queue", "", "Scored"),
    "validating": Look("live", "live", "Being tested"),
    "passed": Look("done", "good", "Passed its test"),
    "failed": Look("fail", "", "Failed its test"),
    "approved": Look("done", "good", "Became a venture"),
    "declined": Look("fail", "", "You said no"),
}
ANSWER_LOOKS: Final[Mapping[str, Look]] = {
    "pending": Look("need", "need", "Waiting for you"),
    "approved": Look("done", "good", "Yes"),
    "used": Look("done", "good", "Yes"),
    "rejected": Look("fail", "", "No"),
    "changed": Look("back", "", "Change"),
    "expired": Look("queue", "", "No answer"),
    "withdrawn": Look("off", "", "Taken back"),
}
STEP_LOOKS: Final[Mapping[str, Look]] = {
    "waits": Look("queue", "live", "Waits"),
    "doing": Look("live", "live", "Doing"),
    "done": Look("done", "good", "Done"),
    "failed": Look("fail", "harm", "Failed"),
}
CHECK_LOOKS: Final[Mapping[str, Look]] = {
    "fine": Look("done", "good", "Fine"),
    "warn": Look("alert", "need", "Warns"),
    "fail": Look("fail", "harm", "Fails"),
}
CALL_LOOKS: Final[Mapping[str, Look]] = {
    "open": Look("live", "live", "On its way"),
    "answered": Look("done", "good", "Answered"),
    "failed": Look("fail", "", "Failed, nothing billed"),
    "lost": Look("alert", "need", "Lost, its bound counts"),
}
AGENT_LOOKS: Final[Mapping[str, Look]] = {
    "online": Look("queue", "", "Idle"),
    "busy": Look("live", "live", "Works"),
    "draining": Look("park", "need", "Ends its work, takes nothing new"),
    "offline": Look("off", "need", "No worker is there for it"),
    "quarantined": Look("alert", "harm", "Kept off until you looked"),
    "disabled": Look("off", "", "Switched off"),
}
SEVERITY_LOOKS: Final[Mapping[str, Look]] = {
    "high": Look("fail", "harm", "Serious"),
    "medium": Look("alert", "need", "Must be mended"),
    "low": Look("queue", "", "Note"),
}
TRY_LOOKS: Final[Mapping[str, Look]] = {
    "open": Look("live", "live", "Works"),
    "offered": Look("live", "live", "Is being judged"),
    "done": Look("done", "good", "Accepted"),
    "failed": Look("fail", "harm", "Failed"),
    "lost": Look("fail", "harm", "Its worker vanished"),
    "waiting": Look("need", "need", "Asked you"),
    "stopped": Look("stop", "", "Was asked to stop"),
    "unstarted": Look("queue", "", "Was never begun"),
    "cancelled": Look("off", "", "Ended"),
}
DAG_LOOKS: Final[Mapping[str, Look]] = {
    "pending": Look("queue", "", "Has not begun"),
    "running": Look("live", "live", "Under way"),
    "stalled": Look("park", "need", "Waits for your choice"),
    "failed": Look("fail", "harm", "Failed"),
    "completed": Look("done", "good", "Done"),
    "cancelled": Look("off", "", "Ended"),
}
LOOKS: Final[Mapping[str, Mapping[str, Look]]] = {
    "try": TRY_LOOKS,
    "dag": DAG_LOOKS,
    "task": TASK_LOOKS,
    "release": RELEASE_LOOKS,
    "idea": IDEA_LOOKS,
    "answer": ANSWER_LOOKS,
    "step": STEP_LOOKS,
    "check": CHECK_LOOKS,
    "severity": SEVERITY_LOOKS,
    "call": CALL_LOOKS,
    "agent": AGENT_LOOKS,
}


def look_of(kind: str, state: str) -> Look:
    """Return how `state` of a `kind` of thing looks; one we do not know is said to be unknown."""
    return LOOKS[kind].get(state, UNKNOWN_LOOK)


_NODES: Final[Mapping[str, str]] = {"good": "done", "live": "live", "harm": "fail", "need": "need"}


def node_class(state: str) -> str:
    """Return how a step of a graph is drawn: `done`, `live`, `fail`, `need` or `later`."""
    return _NODES.get(TASK_LOOKS[state].tone, "later") if state in TASK_LOOKS else "later"


def length_in_words(seconds: float | None) -> str:
    """Return `under 1 s`, `41 s`, `6 min`, `1 h 25 min`, `3 days` or `not known yet`."""
    if seconds is None:
        return "not known yet"
    whole = int(seconds)
    if whole < 1:
        return "under 1 s"
    if whole < 60:
        return f"{whole} s"
    minutes, hours = whole // 60, whole // 3600
    if hours < 1:
        return f"{minutes} min"
    if hours < 48:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{hours // 24} days"


def moment_in_words(moment: datetime, *, now: datetime) -> str:
    """Return `14:10` today, `Fri 18:12` within a week, else `15 Dec`, with the year when it is another one.

    Both are local times of the reader.
    """
    if moment.date() == now.date():
        return f"{moment:%H:%M}"
    if abs(moment.date() - now.date()) < timedelta(days=7):
        return f"{moment:%a %H:%M}"
    day = f"{moment.day} {moment:%b}"
    return day if moment.year == now.year else f"{day} {moment.year}"


def day_in_words(day: str) -> str:
    """Return `2 Sep 2026`, `Sep 2026` or `2026`, as far as `YYYY-MM-DD` goes; empty: `no date`."""
    known = [int(part) for part in day.split("-") if part]
    if len(known) < 2:
        return day or "no date"
    month = date(known[0], known[1], 1).strftime("%b %Y")
    return f"{known[2]} {month}" if len(known) > 2 else month


@dataclass(frozen=True)
class Bar:
    """One upright bar of a small drawing."""

    x: float
    y: float
    height: float
    is_last: bool


def spark_bars(amounts: Sequence[int]) -> tuple[Bar, ...]:
    """Return one bar per amount, a hairline for nothing; what is below zero hangs from the top when nothing rises."""
    highest, lowest = max((0, *amounts)), min((0, *amounts))
    reach = highest - lowest or 1
    zero = SPARK_HEIGHT * highest / reach
    step = SPARK_WIDTH / max(1, len(amounts))
    bars = []
    for index, amount in enumerate(amounts):
        height = max(1.0, round(SPARK_HEIGHT * abs(amount) / reach, 1))
        top = zero - height if amount >= 0 else min(zero, SPARK_HEIGHT - height)
        bars.append(Bar(round(index * step, 1), round(max(0.0, top), 1), height, index == len(amounts) - 1))
    return tuple(bars)


@dataclass(frozen=True)
class CapMarks:
    """Where a cap bar of width 100 ends its parts."""

    spent: float
    held: float
    is_near: bool
    forecast: float | None


def cap_marks(*, spent: int, held: int, cap: int, forecast: int | None = None) -> CapMarks:
    """Return the parts of a cap bar; never wider than the bar, also when the cap was lowered."""
    if cap <= 0:
        return CapMarks(0.0, 0.0, is_near=False, forecast=None)
    spent_share = min(100.0, 100 * spent / cap)
    return CapMarks(
        spent=round(spent_share, 1),
        held=round(min(100.0 - spent_share, 100 * held / cap), 1),
        is_near=(spent + held) / cap >= NEAR_LIMIT_SHARE,
        forecast=round(min(99.2, 100 * forecast / cap), 1) if forecast is not None else None,
    )


def share_in_words(part: int, whole: int) -> str:
    """Return `41 %`."""
    return f"{round(100 * part / whole) if whole else 0} %"


def counted(number: int, noun: str, *, plural: str = "") -> str:
    """Return `1 decision`, `3 decisions` or `3 tries`."""
    ending = f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural or ending}"


TICK_WORDS, CASE_WORDS, CASE_GAP = 108.0, 84.0, 8.0
"""How wide the words at a score range get in the widest letters, in pixels."""


@dataclass(frozen=True)
class RangeMarks:
    """Where the marks of a score range stand in a drawing of this width."""

    width: float
    low: float
    high: float
    open_width: float
    gate: float
    points: float | None

    @property
    def points_end(self) -> float:
        """Where the words of the points end: beside their tick, on the side away from the gate, inside the drawing."""
        points = self.points or 0.0
        wanted = points + TICK_WORDS if points > self.gate else points
        return min(self.width, max(TICK_WORDS, wanted))

    @property
    def low_end(self) -> float:
        """Where the words of the worst case end: at its mark, with room for those of the best."""
        return max(CASE_WORDS, min(self.low, self.width - CASE_WORDS - CASE_GAP))

    @property
    def high_start(self) -> float:
        """Where the words of the best case begin: at its mark, behind those of the worst, inside the drawing."""
        return max(self.low_end + CASE_GAP, min(self.high, self.width - CASE_WORDS))


def range_marks(
    points: float | None, *, low: float, high: float, width: float, gate: float = 60.0
) -> RangeMarks:
    """Return the marks of a score between `low` and `high` of 100; no points, no tick."""

    def at(value: float) -> float:
        return round(width * value / 100, 1)

    return RangeMarks(
        width=width,
        low=at(low),
        high=at(high),
        open_width=round(at(high) - at(low), 1),
        gate=at(gate),
        points=None if points is None else at(points),
    )


COST_KINDS: Final = frozenset(
    {
        "model_call", "electricity", "hardware", "hosting", "domain", "database", "mail", "tools", "subscription",
        "marketing", "processor_fee", "validation", "browser", "other", "shared",
    }
)  # fmt: skip
"""Kinds of profit and loss that are costs; the others came from customers, with their refunds and fees."""
MONEY_WORDS: Final[Mapping[str, str]] = {
    "model_call": "Models",
    "electricity": "Electricity",
    "hardware": "Share of the hardware",
    "hosting": "Hosting",
    "domain": "Web names",
    "database": "Database",
    "mail": "Mail",
    "tools": "Tools",
    "subscription": "Subscriptions",
    "marketing": "Marketing",
    "processor_fee": "Payment fees",
    "validation": "Test of demand",
    "browser": "Browser minutes",
    "other": "Other costs",
    "shared": "Share of shared costs",
    "payment": "Payments",
    "refund": "Refunds",
    "dispute": "Disputes",
    "fee": "Fees of the payment processor",
    "affiliate": "Partners",
    "ads": "Advertisements",
    "unknown": "Not understood yet",
}
GATE_WORDS: Final[Mapping[str, str]] = {
    "tests": "Its own tests, run by the factory",
    "journeys": "Its promises, driven on a running copy",
    "static": "Security scan of the code",
    "secrets": "No secrets in the code",
    "lock": "Every part pinned",
    "licences": "Licences of all parts",
    "review": "A second look, with cases of its own",
}
_ASKS: Final[Mapping[str, str]] = {"GET": "opens", "POST": "sends", "PUT": "changes", "DELETE": "removes"}
_PEOPLE: Final[Mapping[str, str]] = {
    "anna": "a customer",
    "bert": "another customer",
    "nobody": "a stranger",
    "ticker": "the clock",
    "site": "the watched page",
}


def promise_in_words(criterion: Mapping[str, Any]) -> str:
    """Return what a typed criterion promises: `When a customer opens /items, it answers 200 and shows “Due”`."""
    when, then = criterion["when"], criterion["then"]
    person = _PEOPLE.get(when["as"], when["as"])
    before = counted(len(criterion["given"]), "step")
    earlier = f" after {before}" if criterion["given"] else ""
    shows = f" and shows “{then['text']}”" if then["text"] else ""
    hides = f", without “{then['absent']}”" if then["absent"] else ""
    return f"When {person} {_ASKS[when['method']]} {when['path']}{earlier}, it answers {then['status']}{shows}{hides}."


KIND_WORDS: Final[Mapping[str, str]] = {
    "bundle": "code, as a branch",
    "commit": "code, merged",
    "text": "a text",
    "json": "an answer",
    "release": "a packed version",
}
TRY_WORDS: Final[Mapping[str, str]] = {
    "open": "works",
    "offered": "is being judged",
    "done": "accepted",
    "failed": "failed",
    "lost": "its worker vanished",
    "waiting": "asked you",
    "stopped": "was asked to stop",
    "unstarted": "was never begun",
    "cancelled": "ended",
}


@dataclass(frozen=True)
class Promise:
    """One promise of a product, in words, and whether it held when last driven; None: not driven yet."""

    feature: str
    words: str
    has_held: bool | None
