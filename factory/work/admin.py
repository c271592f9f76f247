"""Work in the Django admin: to look at, and the ways out that operators may take."""

from django.contrib import admin

from core.admin import ReadOnlyAdmin, on_each
from core.models import User
from factory.work.models import (
    Alarm,
    Artifact,
    Attempt,
    Dag,
    DeadLetter,
    Dependency,
    Effect,
    Lane,
    Node,
    Outage,
    Permit,
    Queue,
    Schedule,
    Task,
    TaskEvent,
)
from factory.work.services import (
    cancel_graph,
    cancel_task,
    pause_graph,
    pause_queue,
    retry_dead_letter,
    revoke_node,
    unpause_graph,
    unpause_queue,
)

WHY = "in the rows"


@on_each("Pause these graphs")
def pause(dag: Dag, by: User) -> None:
    """Let no task of the graph begin."""
    pause_graph(dag.pk, by=by.as_actor)


@on_each("Let these graphs go on")
def resume(dag: Dag, by: User) -> None:
    """Let tasks of the graph begin again."""
    unpause_graph(dag.pk, by=by.as_actor)


@on_each("Cancel these graphs")
def cancel_all(dag: Dag, by: User) -> None:
    """End every task of the graph."""
    cancel_graph(dag.pk, by=by.as_actor, reason=WHY)


@on_each("Cancel these tasks")
def cancel(task: Task, by: User) -> None:
    """End the task."""
    cancel_task(task.pk, by=by.as_actor, reason=WHY)


@on_each("Try these again")
def retry(letter: DeadLetter, by: User) -> None:
    """Put the task back into the queue."""
    retry_dead_letter(letter.pk, by=by.as_actor, note=WHY)


@on_each("Cancel the tasks of these")
def give_up(letter: DeadLetter, by: User) -> None:
    """End the task."""
    cancel_task(letter.task_id, by=by.as_actor, reason=WHY)


@on_each("Revoke the keys of these nodes")
def revoke(node: Node, by: User) -> None:
    """Let the node's key open nothing."""
    revoke_node(node.name, by=by.as_actor)


@on_each("Pause these queues")
def pause_line(queue: Queue, by: User) -> None:
    """Let no task of the queue begin."""
    pause_queue(queue.name, by=by.as_actor)


@on_each("Let these queues go on")
def resume_line(queue: Queue, by: User) -> None:
    """Let tasks of the queue begin again."""
    unpause_queue(queue.name, by=by.as_actor)


@admin.register(Node)
class NodeAdmin(ReadOnlyAdmin):
    """Hosts of the gpu queue; the key itself is nowhere."""

    list_display = ("name", "admitted_by", "admitted_at", "expires_at", "revoked_at", "seen_at")
    search_fields = ("name",)
    exclude = ("key_sha256",)
    actions = (revoke,)


@admin.register(Queue)
class QueueAdmin(ReadOnlyAdmin):
    """Sorts of workers."""

    list_display = ("name", "is_paused")
    list_filter = ("is_paused",)
    actions = (pause_line, resume_line)


@admin.register(Lane)
class LaneAdmin(ReadOnlyAdmin):
    """Lines of ready tasks."""

    list_display = ("name", "agent", "model")
    list_select_related = ("agent",)
    search_fields = ("name", "agent__name", "model")


@admin.register(Permit)
class PermitAdmin(ReadOnlyAdmin):
    """Places under limits, and who has them."""

    list_display = ("scope", "n", "holder", "is_open", "is_reserved")
    list_filter = (("holder", admin.EmptyFieldListFilter), "is_open", "is_reserved")
    search_fields = ("scope", "holder")


@admin.register(Dag)
class DagAdmin(ReadOnlyAdmin):
    """Graphs and how far they are."""

    list_display = ("title", "product", "state", "is_paused", "created_at", "closed_at")
    list_filter = ("state", "is_paused")
    list_select_related = ("product",)
    search_fields = ("id", "title", "key", "correlation_id")
    actions = (pause, resume, cancel_all)


@admin.register(Task)
class TaskAdmin(ReadOnlyAdmin):
    """Tasks and where they stand."""

    list_display = (
        "title",
        "kind",
        "agent",
        "state",
        "failures",
        "open_dependencies",
        "leased_until",
        "changed_at",
    )
    list_filter = ("state", "changed_at", "kind", "agent")
    list_select_related = ("agent",)
    search_fields = ("id", "title", "key", "dag__title")
    actions = (cancel,)


@admin.register(Dependency)
class DependencyAdmin(ReadOnlyAdmin):
    """What waits for what."""

    list_display = ("task", "depends_on")
    list_select_related = ("task", "depends_on")
    search_fields = ("task__title", "depends_on__title")


@admin.register(TaskEvent)
class TaskEventAdmin(ReadOnlyAdmin):
    """Every change, who made it and why."""

    list_display = ("at", "task", "old", "new", "actor", "reason")
    list_filter = ("new", "at")
    list_select_related = ("task",)
    search_fields = ("task__title", "actor", "reason")


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    """Attempts and how they ended."""

    list_display = ("task", "n", "agent", "state", "error_class", "started_at", "ended_at", "worker")
    list_filter = ("state", "claimed_at", "error_class", "agent")
    list_select_related = ("task", "agent")
    search_fields = ("id", "task__title", "worker", "error")


@admin.register(Artifact)
class ArtifactAdmin(ReadOnlyAdmin):
    """What attempts made."""

    list_display = ("name", "kind", "attempt", "is_final", "created_at")
    list_filter = ("kind", "is_final")
    list_select_related = ("attempt",)
    search_fields = ("name", "blob__sha256")


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin):
    """Tasks the factory gave up, and what became of them."""

    list_display = ("task", "error_class", "is_poison", "created_at", "resolution", "resolved_by")
    list_filter = ("resolution", "is_poison", "error_class")
    list_select_related = ("task",)
    search_fields = ("id", "task__title", "error")
    actions = (retry, give_up)


@admin.register(Effect)
class EffectAdmin(ReadOnlyAdmin):
    """What tasks did outside, and what nobody knows."""

    list_display = ("title", "purpose", "state", "tries", "external_id", "changed_at")
    list_filter = ("state", "purpose", "changed_at")
    search_fields = ("title", "key", "external_id", "task__title")


@admin.register(Schedule)
class ScheduleAdmin(ReadOnlyAdmin):
    """Work that begins by the clock."""

    list_display = ("name", "cron", "zone", "product", "is_paused", "next_at", "last_at")
    list_filter = ("is_paused",)
    list_select_related = ("product",)
    search_fields = ("name", "note")


@admin.register(Alarm)
class AlarmAdmin(ReadOnlyAdmin):
    """What is wrong with the whole line."""

    list_display = ("name", "since", "told_at")


@admin.register(Outage)
class OutageAdmin(ReadOnlyAdmin):
    """Services that do not answer."""

    list_display = ("service", "words", "since", "until", "tries")
