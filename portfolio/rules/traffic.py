"""Whether strangers want it: confirmed people counted from the traffic of a test, and the rule that decides.

Source: R-10.8. Only confirmed humans count; what looks made up is shown as suspected and not counted.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

LEAST_CONFIRMED: Final = 50
LEAST_VISITS: Final = 200
LEAST_CLICK_SHARE: Final = 0.05
LEAST_INTENTS: Final = 3
LEAST_PAID_CLICKS: Final = 100
LEAST_PAID_SHARE: Final = 0.02
MOST_SUSPECTED_SHARE: Final = 0.30
BURST_SIGN_UPS: Final = 10
BURST_SPAN: Final = timedelta(seconds=60)
FLOOD_SIGN_UPS: Final = 3
CONFIRM_WITHIN: Final = timedelta(hours=48)
INTENT_LEAST_CHARS: Final = 20

ROBOTS: Final = re.compile(
    r"bot\b|crawl|spider|headless|curl|python|wget|scrapy|monitor|preview", re.IGNORECASE
)
ADDRESS: Final = re.compile(r"[^@\s]{1,64}@[^@\s]{1,250}\.[^@\s.]{2,}")
# What the rule reads of each kind of event; all of them have `kind` and `at`.
NEEDED: Final[dict[str, tuple[str, ...]]] = {
    "visit": ("visitor", "network", "agent"),
    "price_click": ("visitor",),
    "sign_up": ("address", "visitor", "network", "message"),
    "confirmation": ("message",),
    "intent": ("address", "text"),
}

Outcome = Literal["passed", "failed", "unclear"]


@dataclass(frozen=True)
class Event:
    """One thing that happened on a test page; which facts it has depends on its kind."""

    line: int
    kind: str
    at: datetime
    facts: Mapping[str, str]
    is_paid: bool = False

    def __getitem__(self, name: str) -> str:
        return self.facts[name]


@dataclass(frozen=True)
class Traffic:
    """The traffic of one test.

    Attributes:
        label: what the file says it is, shown beside every number taken from it.
        is_recorded: it was not gathered by a test of this factory.
        own: addresses, networks and domains of our own people.
        catch_all: domains that take mail for any name.
    """

    label: str
    is_recorded: bool
    events: tuple[Event, ...]
    own: frozenset[str] = frozenset()
    catch_all: frozenset[str] = frozenset()
    skipped: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Suspicion:
    """Something that was not counted, and why."""

    line: int
    why: str


@dataclass(frozen=True)
class Counts:
    """What is counted of a test's traffic."""

    visits: int
    price_clicks: int
    confirmed: int
    unconfirmed: int
    intents: int
    paid_clicks: int
    paid_confirmed: int
    suspected: tuple[Suspicion, ...]

    @property
    def suspected_share(self) -> float:
        """The share (0 to 1) of sign-ups and replays that are suspected, among those and the confirmed."""
        seen = self.confirmed + len(self.suspected)
        return len(self.suspected) / seen if seen else 0.0


@dataclass(frozen=True)
class Gate:
    """One way to pass, what it asks and what was seen."""

    name: str
    passed: bool
    words: str


@dataclass(frozen=True)
class Verdict:
    """Whether the test is passed, with the gates that were tried; `unclear` waits for the owner."""

    outcome: Outcome
    reason: str
    gates: tuple[Gate, ...]


def read_traffic(lines: Iterable[tuple[int, bytes | None]]) -> Traffic | None:
    """Give the traffic of numbered lines; None if the first line is no label. Broken events are skipped with a reason."""
    rows = iter(lines)
    label = _object(next(rows, (1, None))[1])
    if not label or label.get("kind") != "label" or not isinstance(label.get("about"), str):
        return None
    events, skipped = [], []
    for number, raw in rows:
        event = _event(number, _object(raw))
        if isinstance(event, Event):
            events.append(event)
        elif raw is None or raw.strip():
            skipped.append((number, event))
    return Traffic(
        label=label["about"],
        is_recorded=label.get("recorded") is True,
        events=tuple(sorted(events, key=lambda event: (event.at, event.line))),
        own=frozenset(label.get("own", ())),
        catch_all=frozenset(label.get("catch_all", ())),
        skipped=tuple(skipped),
    )


def _object(raw: bytes | None) -> dict[str, Any] | None:
    try:
        found = json.loads(raw or b"")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _event(line: int, found: dict[str, Any] | None) -> Event | str:
    if not found or found.get("kind") not in NEEDED:
        return "no event of a known kind"
    facts = {name: found.get(name) for name in NEEDED[found["kind"]]}
    try:
        at = datetime.fromisoformat(found.get("at", ""))
    except (TypeError, ValueError):
        return "no time"
    if at.tzinfo is None or not all(isinstance(value, str) and value for value in facts.values()):
        return "a fact is missing"
    return Event(
        line,
        found["kind"],
        at,
        {name: str(value) for name, value in facts.items()},
        found.get("paid") is True,
    )


def person_behind(address: str) -> str:
    """Give one name for all spellings of a mail address: small letters, no plus part, no dots before the at."""
    name, _, domain = address.strip().lower().partition("@")
    return f"{name.split('+')[0].replace('.', '')}@{domain}"


@dataclass
class _Sieve:
    """Sign-ups judged one by one in the order they came."""

    traffic: Traffic
    disposable: Collection[str]
    crowded: frozenset[int]
    floods: frozenset[str]
    seen: set[str] = field(default_factory=set)

    def why_suspected(self, event: Event) -> str | None:
        """Give why a sign-up is not counted, or None."""
        address, domain = event["address"], event["address"].rpartition("@")[2].lower()
        person = person_behind(address)
        tests: Sequence[tuple[bool, str]] = (
            (not ADDRESS.fullmatch(address), "no mail address"),
            (domain in self.disposable, "throw-away address"),
            (domain in self.traffic.catch_all, "domain takes mail for any name"),
            (person in self.seen, "another spelling of an address that signed up before"),
            (event["network"] in self.floods, "many sign-ups from one network address"),
            (event.line in self.crowded, "burst of sign-ups within a minute"),
        )
        self.seen.add(person)
        return next((why for is_so, why in tests if is_so), None)


def count_traffic(traffic: Traffic, *, disposable: Collection[str]) -> Counts:
    """Give what counts of `traffic`: people, each once, who confirmed by their own address. Source: U-2.

    Args:
        traffic: the events of the test.
        disposable: domains of throw-away addresses.
    """
    of_kind: dict[str, list[Event]] = {kind: [] for kind in NEEDED}
    for event in traffic.events:
        if not _is_ours(event, traffic.own):
            of_kind[event.kind].append(event)
    sign_ups = of_kind["sign_up"]
    networks = Counter(event["network"] for event in sign_ups)
    floods = frozenset(network for network, times in networks.items() if times > FLOOD_SIGN_UPS)
    sieve = _Sieve(traffic, disposable, _bursts(sign_ups), floods)
    suspected = [Suspicion(event.line, why) for event in sign_ups if (why := sieve.why_suspected(event))]
    lines = {suspicion.line for suspicion in suspected}
    clean = {event["message"]: event for event in sign_ups if event.line not in lines}
    confirmed, replays = _confirmed(clean, of_kind["confirmation"])
    people = {event["visitor"]: event for event in of_kind["visit"] if not ROBOTS.search(event["agent"])}
    paid = {event["visitor"] for event in of_kind["visit"] if event.is_paid and event["visitor"] in people}
    clicks = {event["visitor"] for event in of_kind["price_click"]} & people.keys()
    return Counts(
        visits=len(people),
        price_clicks=len(clicks),
        confirmed=len(confirmed),
        unconfirmed=len(clean) - len(confirmed),
        intents=len(_intents(of_kind["intent"], confirmed)),
        paid_clicks=len(paid),
        paid_confirmed=len({event["visitor"] for event in confirmed} & paid),
        suspected=(*suspected, *replays),
    )


def _is_ours(event: Event, own: Collection[str]) -> bool:
    address = event.facts.get("address", "").lower()
    return bool({address, address.rpartition("@")[2], event.facts.get("network", "")} & set(own))


def _bursts(sign_ups: Sequence[Event]) -> frozenset[int]:
    """Give the lines of all sign-ups that came with too many others within a minute."""
    crowded: set[int] = set()
    for start, first in enumerate(sign_ups):
        near = [event for event in sign_ups[start:] if event.at - first.at < BURST_SPAN]
        if len(near) > BURST_SIGN_UPS:
            crowded.update(event.line for event in near)
    return frozenset(crowded)


def _confirmed(clean: Mapping[str, Event], answers: Sequence[Event]) -> tuple[list[Event], list[Suspicion]]:
    """Give the sign-ups confirmed by their own message in time, and the answers that were used again."""
    used: set[str] = set()
    confirmed, replays = [], []
    for answer in answers:
        sign_up = clean.get(answer["message"])
        if answer["message"] in used:
            replays.append(Suspicion(answer.line, "a confirmation used again"))
        elif sign_up and timedelta(0) < answer.at - sign_up.at <= CONFIRM_WITHIN:
            confirmed.append(sign_up)
        used.add(answer["message"])
    return confirmed, replays


def _intents(intents: Sequence[Event], confirmed: Sequence[Event]) -> set[str]:
    known = {person_behind(event["address"]) for event in confirmed}
    written = {
        person_behind(event["address"]) for event in intents if len(event["text"]) >= INTENT_LEAST_CHARS
    }
    return written & known


def judge_counts(counts: Counts) -> Verdict:
    """Give whether a test is passed: any gate is enough, but not with too much that is suspected. Source: R-10.8."""
    gates = tuple(gate(counts) for gate in GATES)
    passed = [gate for gate in gates if gate.passed]
    if not passed:
        return Verdict("failed", "no gate was reached", gates)
    if counts.suspected_share > MOST_SUSPECTED_SHARE:
        reason = f"{counts.suspected_share:.0%} of the sign-ups are suspected: the owner decides"
        return Verdict("unclear", reason, gates)
    return Verdict("passed", "; ".join(gate.words for gate in passed), gates)


def _waiting_list(counts: Counts) -> Gate:
    words = f"{counts.confirmed} confirmed addresses, {LEAST_CONFIRMED} are needed"
    return Gate("waiting list", counts.confirmed >= LEAST_CONFIRMED, words)


def _price(counts: Counts) -> Gate:
    share = counts.price_clicks / counts.visits if counts.visits else 0.0
    words = f"{counts.price_clicks} of {counts.visits} visitors clicked the price ({share:.1%})"
    return Gate("price", counts.visits >= LEAST_VISITS and share > LEAST_CLICK_SHARE, words)


def _written_intents(counts: Counts) -> Gate:
    words = f"{counts.intents} wrote that they would buy, {LEAST_INTENTS} are needed"
    return Gate("intents", counts.intents >= LEAST_INTENTS, words)


def _paid(counts: Counts) -> Gate:
    share = counts.paid_confirmed / counts.paid_clicks if counts.paid_clicks else 0.0
    words = f"{counts.paid_confirmed} of {counts.paid_clicks} paid clicks signed up ({share:.1%})"
    return Gate("paid clicks", counts.paid_clicks >= LEAST_PAID_CLICKS and share > LEAST_PAID_SHARE, words)


GATES: Final[tuple[Callable[[Counts], Gate], ...]] = (_waiting_list, _price, _written_intents, _paid)
