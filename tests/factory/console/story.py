"""A filled product, rows only: from its signals to its second release."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from approvals.models import Request
from approvals.services import decide_request
from billing.models import Scope
from billing.services import factory_scope, open_scope, place_hold, record_revenue
from core.ids import correlation, digest_of, new_id
from core.models import Blob, User
from core.registry import register_action
from core.services import audit, business_now, found_installation
from factory.delivery.models import Release
from factory.pipeline.models import Quote
from factory.quality.models import Finding, GateResult, Verdict
from factory.work.models import Artifact, Attempt, Dag
from portfolio.models import Evidence, Opportunity, Product, Scan, Signal, StageChange
from tests.builders import a_request, a_user
from tests.factory.console.build import a_build, the_agent

AT_WORK = {
    "type": "object",
    "properties": {"task_id": {"type": "string"}, "release_id": {"type": "string"}, "n": {"type": "integer"}},
}


def refuse(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Leave a row that says no."""
    audit(actor="test", verb="story.no", subject=str(decision_id))


@register_action("story.go", schema=AT_WORK, on_no=refuse)
def go(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Leave a row that says yes."""
    audit(actor="test", verb="story.yes", subject=str(decision_id))


BLUEPRINT: dict[str, Any] = {
    "name": "Nightwatch",
    "tagline": "Tells you when a scheduled job did not run.",
    "fit": "high",
    "core_function": {
        "kind": "heartbeat",
        "label": "nightly jobs",
        "sentence": "It expects a ping.",
        "app": "jobs",
    },
    "features": [
        {"id": "F1", "title": "A list of jobs with their last ping"},
        {"id": "F2", "title": "Mail when a ping is late"},
    ],
    "criteria": [
        {
            "id": "list-shows-job",
            "feature": "F1",
            "given": [{"as": "anna"}],
            "when": {"as": "anna", "method": "GET", "path": "/jobs/"},
            "then": {"status": 200, "text": "Backup", "absent": "", "times": 0},
        },
        {
            "id": "others-see-nothing",
            "feature": "F1",
            "given": [],
            "when": {"as": "bert", "method": "GET", "path": "/jobs/"},
            "then": {"status": 200, "text": "", "absent": "Backup", "times": 0},
        },
        {
            "id": "late-ping-mails",
            "feature": "F2",
            "given": [],
            "when": {"as": "ticker", "method": "POST", "path": "/internal/tick"},
            "then": {"status": 204, "text": "", "absent": "", "times": 0},
        },
    ],
    "excluded": [{"feature": "Phone calls at night", "why": "needs a real model"}],
}
SIGNALS = (
    ("A nightly backup had not run for three weeks", "forum", "2026-09-02"),
    ("Wants a warning when a cron job is silent", "github_issue", "2026-08-21"),
    ("Pays $20 a month for pings of scheduled scripts", "review", "2026-07-30"),
    ("Small team checks by hand each morning whether imports ran", "job_ad", "2026-06-11"),
)
PARTS = [
    {"name": "demand", "weight": 25, "value": 0.62, "found": "6 mentions in 30 days"},
    {"name": "weakness", "weight": 20, "value": 0.55, "found": "2 of 4 voices of users complain"},
    {"name": "money", "weight": 15, "value": 1.0, "found": "paid elsewhere: one price named, $20"},
    {"name": "ease", "weight": 15, "value": 0.8, "found": "estimated complexity 2 of 5: micro_saas"},
    {"name": "speed", "weight": 15, "value": 0.62, "found": "estimated 12 days"},
    {"name": "trend", "weight": 10, "value": None, "found": "no dated series known"},
]


@dataclass(frozen=True)
class Story:
    """What a filled factory holds."""

    owner: User
    product: Product
    idea: Opportunity
    build: Dag
    releases: tuple[Release, ...]
    waiting: tuple[Request, ...]


def a_story(name: str = "Nightwatch") -> Story:
    """Return a product that grows: tried twice, sold once, one release taken back, two questions open."""
    found_installation("rehearsal")
    owner = a_user(name=f"owner-of-{name.lower()}")
    idea = an_idea("Say when a scheduled job did not run", signals=SIGNALS)
    product = a_product(name, idea=idea)
    token = correlation.set(product.correlation_id)
    try:
        build = a_build(product)
        a_quote(product)
        releases = some_releases(product, build, owner=owner)
        some_money(product)
        waiting = some_questions(product, releases, owner=owner)
    finally:
        correlation.reset(token)
    return Story(owner, product, idea, build, releases, waiting)


def a_quote(product: Product) -> Quote:
    """Return the quote its owner was asked with."""
    lines = (
        ("Code", "Rex", 180_000, 270_000),
        ("Tests and breaking", "Hawk", 90_000, 140_000),
        ("Release trial", "Forge", 0, 0),
    )
    parts = [
        {"name": name, "agent": agent, "model": "claude-opus-4-6" if high else "", "low_microusd": low, "high_microusd": high,
         "low_s": 60, "high_s": 600}
        for name, agent, low, high in lines
    ]  # fmt: skip
    made: Quote = Quote.objects.create(
        product=product, task_id=new_id(), basis="tokens", parts=parts, low_microusd=270_000, high_microusd=410_000,
        stop_microusd=70_000_000, low_s=180, high_s=1_800, day_cap_microusd=5_000_000, mode="rehearsal",
        made_at=business_now(),
    )  # fmt: skip
    return made


def an_idea(
    title: str,
    *,
    signals: tuple[tuple[str, str, str], ...] = (),
    state: str = Opportunity.State.PASSED,
    points: float | None = 71.6,
    **columns: Any,
) -> Opportunity:
    """Return an idea with its signals and the scan that brought them."""
    now = business_now()
    scan = Scan.objects.create(
        number=Scan.objects.count() + 1, as_of=now.date(), file_name="signals.jsonl", file_sha256="0" * 64,
        signals_read=len(signals), signals_new=len(signals), scale="test", mode="rehearsal", at=now,
        quarantined=[{"line": 17, "reason": "not readable as JSON"}, {"line": 44, "reason": "the date 2026-02-31 does not exist"}],
    )  # fmt: skip
    said = {
        "low": 64.4,
        "high": 74.4,
        "known_weight": 0.9,
        "parts": PARTS,
        "reason": "goes to validation: 72 of 100",
    }
    idea = Opportunity.objects.create(
        name=f"opp-{new_id().hex[-10:]}", scan=scan, title=title, category="micro_saas", state=state, points=points,
        problem="Small teams learn that a job is silent when the data is already gone.", centre="", scale="test",
        mode="rehearsal", **{**said, **columns},
    )  # fmt: skip
    for place, (words, source, day) in enumerate(signals):
        signal = Signal.objects.create(
            ref=f"{idea.name}-{place}", scan=scan, source=source, day=day, title=words, text=f"{words}, says a user.",
            url=f"https://forum.example/{idea.name}/{place}",
        )  # fmt: skip
        near = [[f"{idea.name}-0", 0.7]] if place else []
        Evidence.objects.create(
            opportunity=idea,
            signal=signal,
            place=place,
            similarity=0.71 - place / 50,
            counts=place < 3,
            nearest=near,
        )
    return idea


def a_product(name: str, *, idea: Opportunity | None = None, stage: str = Product.Stage.GROW) -> Product:
    """Return a product with an approved blueprint, opened five days ago."""
    slug, now, story = (
        name.lower().replace(" ", "-"),
        business_now(),
        idea.correlation_id if idea else new_id(),
    )
    scope = open_scope(kind=Scope.Kind.PRODUCT, ref=slug, label=name)
    is_live = stage == Product.Stage.GROW
    product = Product.objects.create(
        slug=slug, name=name, opportunity=idea, scope=scope, blueprint=BLUEPRINT, stage=stage, mode="rehearsal",
        state=Product.State.LAUNCHED if is_live else Product.State.BUILDING, correlation_id=story,
        url="http://127.0.0.1:8100" if is_live else "", opened_at=now - timedelta(days=5), launched_at=now if is_live else None,
    )  # fmt: skip
    StageChange.objects.create(
        product=product, new=Product.Stage.VALIDATE, reason="opened", at=now - timedelta(days=5)
    )
    StageChange.objects.create(
        product=product,
        old="validate",
        new=Product.Stage.BUILD,
        reason="approved",
        at=now - timedelta(days=4),
    )
    return product


def some_releases(product: Product, dag: Dag, *, owner: User) -> tuple[Release, ...]:
    """Return a live release, one that was taken back, and the verdicts before them."""
    first, second = (an_artifact(dag, name) for name in ("version-1", "version-2"))
    a_verdict(product, first, passed=False)
    good = a_verdict(product, first)
    better = a_verdict(product, second)
    now = business_now()
    asked = a_request(
        action="story.go",
        product=product.name,
        title=f"Open version 1 of {product.name}?",
        worst_case_microusd=0,
    )
    yes = decide_request(asked.pk, answer="approve", by=owner, digest=asked.digest)
    live = Release.objects.create(
        product=product,
        artifact=first,
        verdict=good,
        decision=yes,
        version=1,
        digest=str(first.blob_id),
        state="live",
        live_at=now,
    )
    back = Release.objects.create(
        product=product, artifact=second, verdict=better, decision=yes, version=2, digest=str(second.blob_id),
        state="rolled_back", live_at=now, ended_at=now, why="Two probes in a row were red: status 500 instead of 200",
    )  # fmt: skip
    return live, back


def an_artifact(dag: Dag, name: str) -> Artifact:
    """Return a packed version that a finished attempt made."""
    sha256 = digest_of([str(dag.pk), name])
    blob = Blob.objects.create(sha256=sha256, size_bytes=84_213)
    attempt = Attempt.objects.filter(task__dag=dag, task__key="pages", state="done").get()
    return Artifact.objects.create(attempt=attempt, kind="release", name=name, blob=blob, is_final=True)


def a_verdict(product: Product, artifact: Artifact, *, passed: bool = True) -> Verdict:
    """Return what Hawk measured; a red one names file and line."""
    promises = {one["id"]: passed or one["id"] != "late-ping-mails" for one in BLUEPRINT["criteria"]}
    verdict = Verdict.objects.create(
        artifact=artifact, digest=str(artifact.blob_id), product=product, reviewer=the_agent("Hawk"),
        author=the_agent("Rex"), passed=passed, promises=promises,
        reasons=[] if passed else ["journeys: 1 of 3 promises is broken"],
    )  # fmt: skip
    told = (
        ("tests", True, "14 of 14 tests pass, 91 % of lines covered"),
        ("journeys", passed, "3 of 3 promises kept" if passed else "1 of 3 promises is broken"),
        ("static", True, "no serious finding"),
        ("secrets", True, "none found"),
        ("lock", True, "26 parts, all pinned"),
        ("licences", None if not passed else True, "all parts may be used"),
    )
    for gate, has_passed, summary in told:
        GateResult.objects.create(verdict=verdict, gate=gate, passed=has_passed, summary=summary)
    if not passed:
        Finding.objects.create(
            verdict=verdict, gate="journeys", severity="high", text="A late ping sends no mail",
            file="jobs/due.py", line=31, method="POST", path="/internal/tick", expected=204, seen=500, is_fixed=True,
        )  # fmt: skip
        Finding.objects.create(
            verdict=verdict, gate="static", severity="low", text="A function has no docstring"
        )
    return verdict


def some_money(product: Product) -> None:
    """Let one customer pay, and half of it go back; hold something for a call on its way."""
    for kind, cents in (("payment", 1900), ("fee", 86), ("refund", 900)):
        record_revenue(
            product.scope, provider="testpay", provider_event_id=str(new_id()), kind=kind, amount_minor=cents
        )
    place_hold(scopes=[product.scope_id, factory_scope().pk], bound_microusd=310_000, call_id=new_id())


def some_questions(product: Product, releases: tuple[Release, ...], *, owner: User) -> tuple[Request, ...]:
    """Return two open questions; beside them stand one no and one change."""
    evidence = [
        {"name": "Hawk’s verdict", "passed": True, "words": "all 3 promises kept on a running copy"},
        {"name": "Card payments", "passed": None, "words": "tried with test cards only"},
        {"name": "Spare disk", "passed": False, "words": "2 GB, 4 GB wanted"},
    ]
    card: dict[str, Any] = {"action": "story.go", "product": product.name, "asked_by": "agent:Forge"}
    refused = a_request(
        **card, title="Lower the small plan to $5?", worst_case_microusd=19_000_000, binds={"price_usd": 5}
    )
    decide_request(
        refused.pk, answer="reject", by=owner, digest=refused.digest, words="Not before 50 customers."
    )
    posts = {**card, "asked_by": "agent:Blaze"}
    unknown = a_request(**posts, title="Ask 40 people whether they would pay?", worst_case_microusd=None)
    Request.objects.filter(pk=unknown.pk).update(asked_at=unknown.asked_at - timedelta(minutes=5))
    changed = a_request(**posts, title="Write to 10 shift planners?", worst_case_microusd=0)
    decide_request(
        changed.pk, answer="change", by=owner, digest=changed.digest, words="Shorter, and no price yet."
    )
    opens = a_request(
        **card, title=f"Open version 3 of {product.name}?", reason="It passed every check of Hawk; users meet it only after your yes.",
        arguments={"release_id": str(releases[0].pk)}, worst_case_microusd=29_400_000, evidence=evidence,
        on_yes="It starts beside the version before and is tried on a copy of the data.\nThen it takes over for everyone.",
        on_no="Nothing changes for users.\nThe version and its code are kept.",
        diff='- version = "2"\n+ version = "3"\n+ payments = "live"\n  plans = 3',
    )  # fmt: skip
    return opens, unknown
