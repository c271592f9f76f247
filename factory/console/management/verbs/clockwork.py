"""Verbs of what begins by itself, and of what was done outside: schedules, objectives, effects."""

from typing import Annotated

import typer

from core.errors import NotFound
from core.registry import TaskSpec
from factory.console.management.find import As, actor_of, id_and
from factory.console.management.show import AsJson, AtMost, say, show_rows, usd
from factory.console.management.verbs.entry import app
from factory.pipeline.models import Objective
from factory.work.models import Effect, Schedule
from factory.work.services import pause_schedule, remove_schedule, resume_schedule, set_schedule

schedule = typer.Typer(help="Set, pause, resume and remove what begins by the clock.")
app.add_typer(schedule, name="schedule", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The schedule's name.")]


@app.command()
def schedules(*, is_json: AsJson = False) -> None:
    """Show what begins by the clock, and when next."""
    rows = [
        id_and(
            one,
            name=one.name,
            cron=one.cron,
            zone=one.zone,
            product=one.product.slug if one.product else "",
            paused=one.is_paused,
            next_at=one.next_at,
            last_at=one.last_at,
            note=one.note,
        )
        for one in Schedule.objects.select_related("product").order_by("next_at")
    ]
    columns = ("name", "cron", "zone", "product", "paused", "next_at", "last_at", "note")
    show_rows(rows, columns=columns, is_json=is_json, none="Nothing begins by the clock.")


@schedule.command(name="set")
def set_one(  # noqa: PLR0913 (when, and what)
    name: Name,
    *,
    cron: Annotated[str, typer.Option(help="Minute, hour, day, month, weekday: '0 9 * * 1'.")],
    agent: Annotated[str, typer.Option(help="Who works.")],
    brief: Annotated[str, typer.Option(help="What is to be done.")],
    zone: Annotated[str, typer.Option(help="Time zone; the owner's when not given.")] = "",
    by: As = "",
    is_json: AsJson = False,
) -> None:
    """Let an agent do one task by the clock; missed while the factory was off, it is done once."""
    task = TaskSpec(key="task", title=name, agent=agent, type="research", brief=brief)
    made = set_schedule(name, cron=cron, zone=zone, tasks=[task], by=actor_of(by))
    say(f"{name} begins next at {made.next_at:%Y-%m-%d %H:%M} UTC.", is_json=is_json, schedule=made.pk)


@schedule.command()
def pause(name: Name, *, by: As = "", is_json: AsJson = False) -> None:
    """Let a schedule begin nothing."""
    pause_schedule(_known(name).pk, by=actor_of(by))
    say(f"{name} rests.", is_json=is_json, schedule=name)


@schedule.command()
def resume(name: Name, *, by: As = "", is_json: AsJson = False) -> None:
    """Let a schedule go on from its next time."""
    resume_schedule(_known(name).pk, by=actor_of(by))
    say(f"{name} goes on.", is_json=is_json, schedule=name)


@schedule.command()
def remove(name: Name, *, by: As = "", is_json: AsJson = False) -> None:
    """Forget a schedule; what it began goes on."""
    remove_schedule(_known(name).pk, by=actor_of(by))
    say(f"{name} is forgotten.", is_json=is_json, schedule=name)


def _known(name: str) -> Schedule:
    found = Schedule.objects.filter(name=name).first()
    if found is None:
        raise NotFound(schedule=name)
    return found


@app.command()
def objectives(*, at_most: AtMost = 30, is_json: AsJson = False) -> None:
    """Show what the factory was asked to do, the last first."""
    rows = [
        id_and(
            one,
            state=one.state,
            text=one.text if is_json else " ".join(one.text.split())[:80],
            source=one.source,
            by=one.created_by,
            product=one.product.slug if one.product else "",
            budget_usd=usd(one.budget_microusd),
            reason=one.reason,
        )
        for one in Objective.objects.select_related("product").order_by("-created_at")[:at_most]
    ]
    columns = ("id", "state", "text", "source", "by", "product", "budget_usd")
    show_rows(rows, columns=columns, is_json=is_json, none="Nobody asked for anything yet.")


@app.command()
def effects(*, at_most: AtMost = 30, is_json: AsJson = False) -> None:
    """Show what was done outside, and what nobody knows; the last first."""
    rows = [
        id_and(
            one,
            state=one.state,
            title=one.title,
            purpose=one.purpose,
            task=one.task_id,
            tries=one.tries,
            external_id=one.external_id,
            words=one.words,
            at=one.changed_at,
        )
        for one in Effect.objects.order_by("-changed_at")[:at_most]
    ]
    columns = ("id", "state", "title", "purpose", "tries", "external_id", "words", "at")
    show_rows(rows, columns=columns, is_json=is_json, none="Nothing was done outside yet.")
