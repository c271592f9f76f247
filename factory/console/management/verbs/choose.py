"""Verbs of a graph's way on: another place in line, and the three ways past a task that was given up or cancelled."""

import json
from enum import StrEnum
from typing import Annotated

import typer

from core.errors import BadArguments
from factory.console.management.find import As, actor_of, find_one
from factory.console.management.show import AsJson, say
from factory.console.management.verbs.entry import app
from factory.console.management.verbs.work import Id
from factory.work.models import Task
from factory.work.services import cancel_branch, change_priority, continue_without, replace_task

Note = Annotated[str, typer.Option(help="Why.")]


class Way(StrEnum):
    """The owner's choices. Source: R-04.25."""

    CANCEL = "cancel"
    WITHOUT = "without"
    REPLACE = "replace"


@app.command()
def choose(  # noqa: PLR0913 (what replaces a task can be three things)
    wanted: Id,
    way: Annotated[Way, typer.Argument(help="cancel its branch, go on without it, or replace it.")],
    *,
    brief: Annotated[str, typer.Option(help="To replace: a new brief.")] = "",
    agent: Annotated[str, typer.Option(help="To replace: another agent.")] = "",
    result: Annotated[str, typer.Option(help="To replace: its result, as JSON.")] = "",
    note: Note = "",
    by: As = "",
    is_json: AsJson = False,
) -> None:
    """Say how the work goes on behind a task that was given up or cancelled."""
    one = find_one(Task.objects.all(), wanted, noun="task")
    actor = actor_of(by)
    if way == Way.CANCEL:
        cancel_branch(one.pk, by=actor, note=note)
    elif way == Way.WITHOUT:
        continue_without(one.pk, by=actor, note=note)
    else:
        given = read_result(result)
        replace_task(one.pk, by=actor, brief=brief, agent=agent, result=given, note=note)
    did = {
        Way.CANCEL: "and all behind it is cancelled",
        Way.WITHOUT: "is left out",
        Way.REPLACE: "is replaced",
    }
    say(f"{one.title} {did[way]}.", is_json=is_json, task=one.pk, way=way)


def read_result(text: str) -> dict[str, object] | None:
    """Return the result that was written as JSON; None when none was.

    Raises:
        BadArguments: it is no JSON object.
    """
    if not text:
        return None
    try:
        result = json.loads(text)
    except ValueError:
        result = None
    if not isinstance(result, dict):
        raise BadArguments(at="--result", expected="a JSON object")
    return result


@app.command()
def priority(
    wanted: Id,
    number: Annotated[
        int, typer.Argument(min=0, max=100, help="0 goes first, 100 last; below 10 is critical.")
    ],
    *,
    by: As = "",
    is_json: AsJson = False,
) -> None:
    """Give a task another place in line."""
    one = find_one(Task.objects.all(), wanted, noun="task")
    change_priority(one.pk, priority=number, by=actor_of(by))
    say(f"{one.title} has priority {number}.", is_json=is_json, task=one.pk, priority=number)
