"""Kev's rounds: what is new, what was given up, what is stuck; nothing found costs nothing. Source: R-08.29."""

import logging
from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction

from billing.adapters.limits import table_row
from billing.services import factory_scope
from core.errors import FactoryError
from core.ids import digest_of, new_id
from core.services import may_begin, publish
from factory.pipeline.models import Advice, Objective, Round
from factory.pipeline.rules.answers import advice_on
from factory.pipeline.rules.briefs import advice_brief
from factory.pipeline.services.objectives import move_objective
from factory.pipeline.services.ventures import begin_objective
from factory.work.models import Attempt, Dag, DeadLetter, Task
from factory.work.rules import TaskSpec
from factory.work.services import accept_result, create_graph
from portfolio.models import Opportunity

logger = logging.getLogger(__name__)

EVERY_S = 1_800
ADVICE_JUDGE = "pipeline.advice"
OWN = "kev:"
"""Keys of Kev's own graphs begin like this: he does not look into his own failures."""
MOST_LETTERS = 20
BY = "pipeline:kev"


@dataclass(frozen=True)
class Found:
    """How many of each a round found."""

    objectives: int
    letters: int
    unjudged: int
    stalled: int
    backlog: int

    @property
    def calls_for_something(self) -> bool:
        """Whether anything is to be done; a backlog alone can wait."""
        return bool(self.objectives or self.letters)


def look_around() -> Round | None:
    """Begin what is new and ask for advice about what was given up; None when there was nothing to do.

    Nothing happens in a drain, in maintenance or while everything is stopped. Safe to run twice. Source: R-01.20.
    """
    found = _found()
    if not found.calls_for_something or not may_begin():
        return None
    for objective in Objective.objects.new():
        _begin(objective)
    made = Round.objects.create(found=asdict(found), dag=_ask_for_advice())
    publish("pipeline.round_made", round_id=str(made.pk))
    return made


def _found() -> Found:
    return Found(
        objectives=Objective.objects.new().count(),
        letters=_letters().count(),
        unjudged=Task.objects.filter(state=Task.State.VALIDATING).count(),
        stalled=Dag.objects.filter(state=Dag.State.STALLED).count(),
        backlog=Opportunity.objects.to_validate().filter(product=None).count(),
    )


def _letters() -> Any:
    """Return what was given up and nobody advised on yet; a no of the owner's needs no advice, and none is under way."""
    if Dag.objects.filter(key__startswith=OWN, closed_at=None).exists():
        return DeadLetter.objects.none()
    open_letters = DeadLetter.objects.filter(resolution="", advice=None).exclude(error_class="rejected")
    return open_letters.exclude(task__dag__key__startswith=OWN).order_by("created_at", "id")


def _begin(objective: Objective) -> None:
    """What cannot be begun is rejected with the reason; other objectives are begun all the same."""
    try:
        begin_objective(objective)
    except FactoryError as refusal:
        logger.info(
            "pipeline.objective_refused", extra={"objective": str(objective.pk), "code": refusal.code}
        )
        objective.refresh_from_db()
        if not objective.is_over and not refusal.is_retryable:
            move_objective(objective, to=Objective.State.REJECTED, actor=BY, reason=refusal.sentence)


def _ask_for_advice() -> Dag | None:
    letters = list(_letters().select_related("task__agent")[:MOST_LETTERS])
    if not letters:
        return None
    names = {f"letter-{n}": letter for n, letter in enumerate(letters, start=1)}
    task = TaskSpec(
        key="advice",
        title="Advise on what was given up",
        agent="Kev",
        type="analyze",
        brief=advice_brief([_shown(name, letter) for name, letter in names.items()]),
        answer_schema=advice_on(list(names)),
        validator=ADVICE_JUDGE,
        max_cost_microusd=table_row("advice")["life"],
        arguments={"letters": {name: str(letter.pk) for name, letter in names.items()}},
    )
    return create_graph(
        product=None,
        title="Look at what was given up",
        tasks=[task],
        scope=factory_scope(),
        correlation_id=new_id(),
        key=f"{OWN}advice:{digest_of(task.arguments)}",
    )


def _shown(name: str, letter: DeadLetter) -> dict[str, Any]:
    task = letter.task
    return {
        "letter": name, "task": task.title, "agent": task.agent.name if task.agent else "the platform",
        "error": letter.error[-2_000:], "class": letter.error_class, "is_poison": letter.is_poison,
        "attempts": task.failures,
    }  # fmt: skip


@transaction.atomic
def judge_advice(attempt: Attempt) -> None:
    """Keep what Kev would do about each letter he was shown; its shape lets him speak of no other."""
    shown = attempt.task.arguments["letters"]
    advice = {shown[one["letter"]]: one for one in (attempt.result or {})["advice"]}
    for letter in DeadLetter.objects.filter(pk__in=advice):
        said = advice[str(letter.pk)]
        Advice.objects.get_or_create(letter=letter, defaults={"choice": said["choice"], "words": said["why"]})
    accept_result(attempt.pk, by=BY)
