"""Ideas with their signals, and the products that came of some."""

import itertools
from datetime import timedelta
from typing import Any

from billing.models import RevenueEvent, Scope
from billing.services import open_scope
from core.ids import digest_of, story_of
from core.models import Mode
from factory.console.management.sample.bulk import insert_rows
from factory.console.management.sample.ground import DAYS, Ground
from portfolio.models import Evidence, Opportunity, Product, Scan, Signal, StageChange

NAMES = (
    "Feedcheck", "Rota Swap", "Alt Text Press", "Nightwatch", "Leaflet", "Duebook", "Patchnote", "Kilnlog", "Fernwatch",
    "Lapkeeper", "Quoteday", "Shelfmark", "Tidewise", "Permitly", "Crewcall", "Hiveledger", "Mossmail", "Oarlock", "Inkwell", "Beamline",
)  # fmt: skip
NEEDS = (
    "Say when {} changes before customers notice", "Keep dates of {} and warn in time", "Swap {} without twenty mails",
    "Find the one wrong line in {}", "Show who still owes {}", "Check {} against the rules of the shop",
)  # fmt: skip
THINGS = ("product feeds", "shift plans", "certificates", "club dues", "night jobs", "permits", "room bookings", "price lists",
          "lease papers", "beehive notes", "boat hours", "kiln firings")  # fmt: skip
STAGES = (Product.Stage.GROW, Product.Stage.GROW, Product.Stage.GROW, Product.Stage.BUILD, Product.Stage.BUILD,
          Product.Stage.LAUNCH, Product.Stage.VALIDATE)  # fmt: skip
PARTS = (("demand", 25), ("weakness", 20), ("money", 15), ("ease", 15), ("speed", 15), ("trend", 10))
IDEAS = 120
SIGNALS_EACH = 5
PRICES_MINOR = (900, 1900, 4900)


def invent_ventures(ground: Ground, *, count: int) -> None:
    """Write ideas of every kind, `count` products with their steps, and what their customers paid."""
    ideas = _ideas(ground)
    ready = [idea for idea in ideas if idea.state == Opportunity.State.APPROVED]
    for index in range(count):
        ground.products.append(_product(ground, index, idea=ready[index] if index < len(ready) else None))
    insert_rows([change for product in ground.products for change in _steps(ground, product)])
    insert_rows([event for product in ground.products for event in _revenue(ground, product)])


def _ideas(ground: Ground) -> list[Opportunity]:
    scan = Scan.objects.create(
        id=ground.new_id(ground.ago(days=DAYS)), number=1, as_of=ground.ago(days=DAYS).date(), file_name="signals.jsonl",
        file_sha256="0" * 64, signals_read=IDEAS * SIGNALS_EACH, signals_new=IDEAS * SIGNALS_EACH, scale="sample", took_s=2.4,
        mode=Mode.REHEARSAL, at=ground.ago(days=DAYS),
    )  # fmt: skip
    ideas = [_idea(ground, number, scan=scan) for number in range(IDEAS)]
    for idea in ideas:
        if idea.state == Opportunity.State.DUPLICATE:
            idea.original = ideas[0]
    insert_rows(ideas)
    signals = [_signal(ground, idea, place, scan=scan) for idea in ideas for place in range(SIGNALS_EACH)]
    insert_rows(signals)
    insert_rows(
        [
            Evidence(opportunity=ideas[n // SIGNALS_EACH], signal=signal, place=n % SIGNALS_EACH, similarity=0.7, counts=True)
            for n, signal in enumerate(signals)
        ]
    )  # fmt: skip
    return ideas


def _idea(ground: Ground, number: int, *, scan: Scan) -> Opportunity:
    states = Opportunity.State
    state = states.APPROVED if number < len(NAMES) else ground.dice.choice(
        [states.SCORED, states.SCORED, states.VALIDATING, states.THIN, states.EXCLUDED, states.DUPLICATE, states.FAILED, states.DECLINED]
    )  # fmt: skip
    is_scored = state not in {states.THIN, states.EXCLUDED, states.DUPLICATE}
    parts: list[dict[str, Any]] = [
        {"name": name, "weight": weight, "value": round(ground.dice.uniform(0.3, 1), 2), "found": "6 mentions in 30 days"}
        for name, weight in PARTS
    ]  # fmt: skip
    parts[-1]["value"] = None
    points = round(sum(p["weight"] * p["value"] for p in parts[:-1]) / 0.9, 1) if is_scored else None
    title = NEEDS[number % len(NEEDS)].format(THINGS[number % len(THINGS)])
    return Opportunity(
        id=ground.new_id(scan.at), name=f"opp-{digest_of([number])[:10]}", scan=scan, rank=number, title=title,
        problem=f"{title}: small teams do it by hand and notice too late.", category="micro_saas", state=state,
        reason="goes to validation" if is_scored else "too little is known", points=points,
        low=None if points is None else round(points * 0.9, 1), high=None if points is None else round(min(100, points * 0.9 + 10), 1),
        known_weight=0.9 if is_scored else 0.4, parts=parts, centre="", scale="sample", mode=Mode.REHEARSAL,
        correlation_id=ground.new_id(scan.at), created_at=ground.machine(scan.at),
    )  # fmt: skip


def _signal(ground: Ground, idea: Opportunity, place: int, *, scan: Scan) -> Signal:
    day = ground.ago(days=DAYS + place * 9).date().isoformat()
    ref = f"{idea.name}-{place}"
    return Signal(
        id=ground.new_id(scan.at), ref=ref, scan=scan, source=("forum", "review", "github_issue")[place % 3], day=day,
        title=f"{idea.title} ({place + 1})", text="We do this by hand each week, says a user.", url=f"https://forum.example/{ref}",
    )  # fmt: skip


def _product(ground: Ground, index: int, *, idea: Opportunity | None) -> Product:
    name = NAMES[index % len(NAMES)] + (f" {index // len(NAMES) + 1}" if index >= len(NAMES) else "")
    slug, opened = name.lower().replace(" ", "-"), ground.ago(days=DAYS - index * 3 % DAYS)
    story = idea.correlation_id if idea else ground.new_id(opened)
    with story_of(story):
        scope = open_scope(kind=Scope.Kind.PRODUCT, ref=slug, label=name)
    stage = STAGES[index % len(STAGES)]
    is_live = stage == Product.Stage.GROW
    return Product.objects.create(
        id=ground.new_id(opened), slug=slug, name=name, opportunity=idea, scope=scope, stage=stage, mode=Mode.REHEARSAL,
        blueprint={} if stage == Product.Stage.VALIDATE else {
            "name": name, "tagline": f"{name} says it in time.", "features": [], "criteria": [], "excluded": [],
            "prices": [{"plan": "solo", "usd_month": 9}],
        },
        state=Product.State.LAUNCHED if is_live else Product.State.BUILDING, correlation_id=story,
        url=f"http://127.0.0.1:{8100 + index}" if is_live else "", opened_at=opened,
        launched_at=opened + timedelta(days=6) if is_live else None, created_at=ground.machine(opened),
    )  # fmt: skip


def _steps(ground: Ground, product: Product) -> list[StageChange]:
    """Return how the product came to its stage, two days a step."""
    line = ["", *(stage for stage in Product.Stage.values if stage != Product.Stage.SCAN)]
    reached = line[: line.index(product.stage) + 1]
    return [
        StageChange(
            id=ground.new_id(product.opened_at), product=product, old=old, new=new, reason="passed its gate" if old else "opened",
            correlation_id=product.correlation_id, at=product.opened_at + timedelta(days=2 * step),
        )
        for step, (old, new) in enumerate(itertools.pairwise(reached))
    ]  # fmt: skip


def _revenue(ground: Ground, product: Product) -> list[RevenueEvent]:
    """Return a payment with its fee about every other day since the launch, and now and then a refund."""
    if product.launched_at is None:
        return []
    kinds, events, at = RevenueEvent.Kind, [], product.launched_at
    while (at := at + timedelta(hours=ground.dice.randint(8, 70))) < ground.now:
        cents = ground.dice.choice(PRICES_MINOR)
        sold: list[tuple[RevenueEvent.Kind, int, int]] = [
            (kinds.PAYMENT, cents, 1),
            (kinds.FEE, cents * 29 // 1000 + 31, -1),
        ]
        if ground.dice.random() < 0.06:
            sold.append((kinds.REFUND, cents, -1))
        events += [
            RevenueEvent(
                id=ground.new_id(at), scope=product.scope, provider="sample", provider_event_id=f"{product.slug}:{at:%y%m%d%H%M}:{kind}",
                kind=kind, amount_minor=amount, currency="usd", amount_microusd=sign * amount * 10_000, at=at,
                correlation_id=product.correlation_id, mode=Mode.REHEARSAL,
            )
            for kind, amount, sign in sold
        ]  # fmt: skip
    return events
