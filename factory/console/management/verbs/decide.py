"""Verbs of decisions: what waits for the owner, one question whole, and the one answer."""

from typing import Annotated, Any

import typer

from approvals.models import Decision, Request
from approvals.services import decide_request
from core.services import business_now
from factory.console.management.find import As, find_one, find_person, id_and
from factory.console.management.show import AsJson, AtMost, say, show_facts, show_rows, usd
from factory.console.management.verbs.entry import app, stop
from factory.console.management.verbs.work import Id
from factory.insight.services import effects_of

Words = Annotated[str, typer.Option(help="Your words.")]
Digest = Annotated[
    str, typer.Option(help="The digest you were shown; refused when what would happen has changed.")
]
WAITING = 3


@app.command()
def approvals(
    *,
    is_all: Annotated[bool, typer.Option("--all", help="Also what was answered.")] = False,
    at_most: AtMost = 50,
    is_json: AsJson = False,
) -> None:
    """Show the questions that wait for the owner, the most money per hour left first."""
    rows = list(Request.objects.order_by("-asked_at")[:at_most]) if is_all else (
        Request.objects.pressing_first(business_now())[:at_most]
    )  # fmt: skip
    columns = ("id", "state:answer", "title", "product", "asked_by", "worst_case_usd", "deadline")
    show_rows([_row(one) for one in rows], columns=columns, is_json=is_json, none="Nothing waits for you.")


def _row(one: Request) -> dict[str, Any]:
    return id_and(
        one,
        state=one.state,
        title=one.title,
        product=one.product,
        asked_by=one.asked_by,
        worst_case_usd=usd(one.worst_case_microusd),
        asked_at=one.asked_at,
        deadline=one.deadline,
        digest=one.digest,
    )


@app.command()
def approval(wanted: Id, *, is_json: AsJson = False) -> None:
    """Show one question: what a yes does, what a no does, the worst case, the evidence; and its effect."""
    one = find_one(Request.objects.all(), wanted, noun="approval")
    decision = Decision.objects.filter(request=one).select_related("by").first()
    effect = effects_of([one]).get(one.pk)
    facts = {
        **_row(one),
        "reason": one.reason,
        "on_yes": one.on_yes,
        "on_no": one.on_no,
        "diff": one.diff,
        "evidence": one.evidence,
        "answer": decision.answer if decision else None,
        "answered_by": decision.by.username if decision else None,
        "words": decision.words if decision else None,
        "effect": effect.step if effect else None,
        "effect_words": effect.words if effect else None,
    }
    show_facts(facts, is_json=is_json)
    if not is_json:
        show_rows(one.evidence, columns=("name", "passed", "words"), is_json=False, none="No evidence.")


@app.command()
def approve(wanted: Id, *, by: As, digest: Digest = "", words: Words = "", is_json: AsJson = False) -> None:
    """Say yes, once; only the owner may."""
    _decide(wanted, answer=Decision.Answer.APPROVE, by=by, digest=digest, words=words, is_json=is_json)


@app.command()
def reject(wanted: Id, *, by: As, digest: Digest = "", words: Words = "", is_json: AsJson = False) -> None:
    """Say no, once; only the owner may."""
    _decide(wanted, answer=Decision.Answer.REJECT, by=by, digest=digest, words=words, is_json=is_json)


@app.command()
def change(
    wanted: Id,
    *,
    words: Annotated[str, typer.Option(help="What to change.")],
    by: As,
    digest: Digest = "",
    is_json: AsJson = False,
) -> None:
    """Ask for a change; nothing of the question happens, a new one comes."""
    _decide(wanted, answer=Decision.Answer.CHANGE, by=by, digest=digest, words=words, is_json=is_json)


def _decide(wanted: str, *, answer: str, by: str, digest: str, words: str, is_json: bool) -> None:
    """Whoever gives no digest answers what stands there now, after reading it once more at a terminal."""
    person, one = find_person(by), find_one(Request.objects.all(), wanted, noun="approval")
    if not digest and not is_json and typer.get_text_stream("stdin").isatty():
        show_facts({**_row(one), "on_yes": one.on_yes, "on_no": one.on_no}, is_json=False)
        if not typer.confirm(f"{answer.capitalize()}?"):
            stop("Nothing was answered.", code=WAITING)
    decision = decide_request(
        one.pk,
        answer=answer,
        by=person,
        digest=digest or one.digest,
        words=words,
        channel=Decision.Channel.CLI,
    )
    say(
        f"{one.title} {answer}: answered.",
        is_json=is_json,
        request=one.pk,
        decision=decision.pk,
        answer=answer,
    )
