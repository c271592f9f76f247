"""Verbs of work: what waits and why, one task's story, what was given up, and the ways out."""

from typing import Annotated, Any

import typer
from django.db.models import Case, Q, When

from factory.console.management.find import As, actor_of, find_one, id_and
from factory.console.management.show import AsJson, AtMost, say, show_facts, show_rows, usd
from factory.console.management.verbs.entry import app
from factory.console.rules import counted
from factory.work.models import DeadLetter, Task
from factory.work.services import Admission, cancel_task, read_admission, retry_dead_letter

Id = Annotated[
    str, typer.Argument(metavar="ID", help="At least 6 characters of its id, from the start or the end.")
]
ALL = "open"
IN_ORDER = (
    Task.State.RUNNING,
    Task.State.CLAIMED,
    Task.State.VALIDATING,
    Task.State.READY,
    Task.State.RETRYING,
    Task.State.WAITING,
    Task.State.DEAD_LETTER,
)


@app.command()
def queue(
    *,
    state: Annotated[
        str, typer.Option(help="One state, e.g. ready or running; all that is open if not given.")
    ] = ALL,
    agent: Annotated[str, typer.Option(help="One agent's tasks.")] = "",
    at_most: AtMost = 50,
    is_json: AsJson = False,
) -> None:
    """Show what waits and what runs, first in line first, and why it waits."""
    rows = Task.objects.open() if state == ALL else Task.objects.filter(state=state)
    if agent:
        rows = rows.filter(agent__name__iexact=agent)
    place = Case(*(When(state=one, then=n) for n, one in enumerate(IN_ORDER)), default=len(IN_ORDER))
    tasks = rows.select_related("dag__product", "agent", "scope").order_by(place, "rank", "ready_at", "id")
    admission = read_admission()
    show_rows(
        [_in_queue(task, admission=admission) for task in tasks[:at_most]],
        columns=("id", "state:task", "title", "who", "product", "priority", "since", "why"),
        is_json=is_json,
        none="Nothing waits.",
    )


def _in_queue(task: Task, *, admission: Admission) -> dict[str, Any]:
    return id_and(
        task,
        state=task.state,
        title=task.title,
        who=task.agent.name if task.agent else task.kind,
        product=task.dag.product.name if task.dag.product else "",
        priority=task.priority,
        since=task.changed_at,
        why=_why(task, admission=admission),
    )


def _why(task: Task, *, admission: Admission) -> str:
    """Say in words what a task waits for."""
    if task.state == Task.State.READY:
        return admission.refusal(task) or "a free worker"
    return {
        Task.State.PENDING: counted(task.open_dependencies, "other task"),
        Task.State.WAITING: "the owner's answer" if task.question else "its children",
        Task.State.RETRYING: "its next try",
        Task.State.VALIDATING: "its judge",
        Task.State.DEAD_LETTER: "the owner's choice",
    }.get(Task.State(task.state), "")


@app.command()
def task(wanted: Id, *, is_json: AsJson = False) -> None:
    """Show one task: every try with its agent, model, error, cost and time, and every change."""
    one = find_one(Task.objects.select_related("dag__product", "agent"), wanted, noun="task")
    tries = [
        {
            "try": attempt.n,
            "state": attempt.state,
            "agent": attempt.agent.name if attempt.agent else "",
            "model": getattr(attempt, "model", ""),
            "class": attempt.error_class,
            "cost_usd": usd(getattr(attempt, "cost_microusd", None)),
            "seconds": round(attempt.worked_s, 1),
            "error": attempt.error,
        }
        for attempt in one.attempts.with_costs().select_related("agent").order_by("n")
    ]
    events = list(one.events.order_by("sequence").values("at", "old", "new", "actor", "reason"))
    facts = id_and(
        one,
        title=one.title,
        state=one.state,
        why=_why(one, admission=read_admission()),
        who=one.agent.name if one.agent else one.kind,
        graph=one.dag.title,
        product=one.dag.product.name if one.dag.product else "",
        priority=one.priority,
        failures=one.failures,
        brief=one.brief,
        tries=tries,
        events=events,
    )
    show_facts(facts, is_json=is_json)
    if not is_json:
        last_words = [{**row, "error": str(row["error"]).strip().rpartition("\n")[2][:120]} for row in tries]
        columns = ("try", "state", "agent", "model", "class", "cost_usd", "seconds", "error")
        show_rows(last_words, columns=columns, is_json=False, none="Nobody tried yet.")
        show_rows(events, columns=("at", "old", "new", "actor", "reason"), is_json=False, none="")


@app.command()
def failures(*, at_most: AtMost = 50, is_json: AsJson = False) -> None:
    """Show the tasks that were given up and wait for you; `factory task ID` tells each one's story."""
    letters = DeadLetter.objects.filter(resolution="").select_related("task__dag__product", "task__agent")
    rows = [
        {
            "task": letter.task_id,
            "title": letter.task.title,
            "who": letter.task.agent.name if letter.task.agent else letter.task.kind,
            "product": letter.task.dag.product.name if letter.task.dag.product else "",
            "class": letter.error_class,
            "must_change": letter.is_poison,
            "since": letter.created_at,
            "error": letter.error if is_json else letter.error.strip().rpartition("\n")[2][:120],
        }
        for letter in letters.order_by("-created_at")[:at_most]
    ]
    columns = ("task", "title", "who", "product", "class", "must_change", "since", "error")
    show_rows(rows, columns=columns, is_json=is_json, none="Nothing was given up.")


@app.command()
def retry(
    wanted: Id,
    *,
    brief: Annotated[str, typer.Option(help="A new brief; a task that failed too often needs one.")] = "",
    note: Annotated[str, typer.Option(help="Why.")] = "",
    by: As = "",
    is_json: AsJson = False,
) -> None:
    """Put a task that was given up back into the queue, changed or as it is."""
    letters = DeadLetter.objects.filter(resolution="")
    one = find_one(Task.objects.filter(Q(state=Task.State.DEAD_LETTER)), wanted, noun="task")
    retry_dead_letter(letters.get(task=one).pk, by=actor_of(by), brief=brief, note=note)
    say(f"{one.title} is in the queue again.", is_json=is_json, task=one.pk)


@app.command()
def cancel(
    wanted: Id,
    *,
    with_dependents: Annotated[
        bool, typer.Option("--behind", help="And everything that waits for it.")
    ] = False,
    note: Annotated[str, typer.Option(help="Why.")] = "",
    by: As = "",
    is_json: AsJson = False,
) -> None:
    """End a task wherever it stands; its worker stops within seconds."""
    one = find_one(Task.objects.all(), wanted, noun="task")
    cancel_task(one.pk, by=actor_of(by), reason=note, with_dependents=with_dependents)
    say(f"{one.title} is cancelled.", is_json=is_json, task=one.pk)
