"""Work in the Django admin, to look at."""

from django.contrib import admin

from core.admin import ReadOnlyAdmin
from factory.work.models import Artifact, Attempt, Dag, DeadLetter, Task, TaskEvent


@admin.register(Dag)
class DagAdmin(ReadOnlyAdmin):
    """Graphs and how far they are."""

    list_display = ("title", "product", "state", "is_paused", "created_at", "closed_at")
    list_filter = ("state", "is_paused")
    list_select_related = ("product",)
    search_fields = ("title", "key", "correlation_id")


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
    list_filter = ("state", "kind", "agent")
    list_select_related = ("agent",)
    search_fields = ("title", "key", "dag__title")


@admin.register(TaskEvent)
class TaskEventAdmin(ReadOnlyAdmin):
    """Every change, who made it and why."""

    list_display = ("at", "task", "old", "new", "actor", "reason")
    list_filter = ("new",)
    list_select_related = ("task",)
    search_fields = ("task__title", "actor", "reason")


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    """Attempts and how they ended."""

    list_display = ("task", "n", "agent", "state", "error_class", "started_at", "ended_at", "worker")
    list_filter = ("state", "error_class", "agent")
    list_select_related = ("task", "agent")
    search_fields = ("task__title", "worker", "error")


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
    search_fields = ("task__title", "error")
