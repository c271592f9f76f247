"""How work is shown."""

from typing import Any

from rest_framework import serializers

from core.api.rows import Row
from factory.work.models import Artifact, Attempt, Dag, DeadLetter, Queue, Task, TaskEvent


class GraphOut(Row[Dag]):
    """A graph of tasks and how far it is."""

    product = serializers.CharField(source="product.slug", allow_null=True, default=None)

    class Meta:
        """What is shown."""

        model = Dag
        fields = (
            "id", "key", "title", "product", "scope", "payer", "state", "is_paused", "correlation_id", "created_at", "closed_at",
        )  # fmt: skip


class TaskOut(Row[Task]):
    """One piece of work; `version` grows with every change of state."""

    graph = serializers.UUIDField(source="dag_id")
    assignee = serializers.CharField(source="agent.name", allow_null=True, default=None)
    after = serializers.SerializerMethodField(help_text="Ids of the tasks whose results it needs.")

    class Meta:
        """What is shown."""

        model = Task
        fields = (
            "id", "graph", "scope", "key", "kind", "type", "assignee", "title", "brief", "arguments", "answer_schema", "validator",
            "state", "version", "changed_at", "after", "open_dependencies", "priority", "behind", "queue", "held", "ready_at",
            "due_at", "not_before", "fence", "lease", "leased_to", "leased_until", "failures", "unstarted", "question",
            "decisions", "parent", "is_left_out", "source", "created_by", "created_at",
        )  # fmt: skip

    def get_after(self, task: Task) -> list[str]:
        """Return what it waits or waited for."""
        return sorted(str(one.depends_on_id) for one in task.dependencies.all())


class AttemptOut(Row[Attempt]):
    """One try at one task."""

    agent = serializers.CharField(source="agent.name", allow_null=True, default=None)
    model = serializers.CharField(help_text="The one it called last; empty: none.")
    cost_microusd = serializers.IntegerField()
    worked_s = serializers.FloatField()

    class Meta:
        """What is shown."""

        model = Attempt
        fields = (
            "id", "task", "agent", "n", "worker", "state", "result", "error", "error_class", "has_raised", "model", "cost_microusd",
            "claimed_at", "started_at", "ended_at", "worked_s",
        )  # fmt: skip


class TaskEventOut(Row[TaskEvent]):
    """One change of a task's state."""

    class Meta:
        """What is shown."""

        model = TaskEvent
        fields = ("sequence", "task", "old", "new", "actor", "reason", "at")


class ArtifactOut(Row[Artifact]):
    """One thing an attempt made; its bytes are at `content/`."""

    sha256 = serializers.CharField(source="blob_id", allow_null=True)
    size_bytes = serializers.IntegerField(source="blob.size_bytes", allow_null=True, default=None)
    media_type = serializers.CharField(source="blob.media_type", allow_null=True, default=None)

    class Meta:
        """What is shown."""

        model = Artifact
        fields = (
            "id", "attempt", "kind", "name", "sha256", "size_bytes", "media_type", "facts", "is_final", "created_at",
        )  # fmt: skip


class DeadLetterOut(Row[DeadLetter]):
    """A task the factory gave up."""

    class Meta:
        """What is shown."""

        model = DeadLetter
        fields = (
            "id", "task", "error_class", "error", "is_poison", "created_at", "resolution", "resolved_by", "resolved_at", "note",
        )  # fmt: skip


class QueueOut(Row[Queue]):
    """One queue and whether it is paused."""

    class Meta:
        """What is shown."""

        model = Queue
        fields = ("name", "is_paused")


class BlockerOut(serializers.Serializer[Any]):
    """One task that holds others up, and why."""

    task = serializers.UUIDField()
    key = serializers.CharField()
    title = serializers.CharField()
    state = serializers.CharField()
    why = serializers.CharField()


class SummaryOut(serializers.Serializer[Any]):
    """How far work is: counts, money, the longest way still to go, what blocks it."""

    counts = serializers.DictField(child=serializers.IntegerField(), help_text="Tasks by state.")
    spent_microusd = serializers.IntegerField()
    remaining_microusd = serializers.IntegerField(
        allow_null=True,
        help_text="Estimate for open tasks, from what such tasks cost; null: nothing is known.",
    )
    unknown_tasks = serializers.IntegerField(
        help_text="Open tasks of a sort that was never completed before."
    )
    critical_path = serializers.ListField(
        child=serializers.UUIDField(), help_text="Open tasks, first to last."
    )
    blockers = BlockerOut(many=True)


class AssignmentOut(serializers.Serializer[Any]):
    """Everything an attempt needs; its token ends with it."""

    id = serializers.UUIDField(help_text="The attempt.")
    task = serializers.UUIDField(source="reuse_key")
    agent = serializers.CharField()
    kind = serializers.CharField()
    title = serializers.CharField()
    brief = serializers.CharField()
    inputs = serializers.JSONField()
    answer_schema = serializers.JSONField(allow_null=True)
    token = serializers.CharField(help_text="Empty for platform code.")
    decisions = serializers.JSONField()
    last_error = serializers.CharField()
    seconds = serializers.IntegerField(source="limits.seconds")
    cost_microusd = serializers.IntegerField(source="limits.cost_microusd")
    correlation_id = serializers.UUIDField(allow_null=True)
