"""Doors of graphs and of the tasks in them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing.services import factory_scope
from core.api.callers import KEEPERS, OWNERS, Caller
from core.api.reading import Reason, Said, Versioned
from core.api.rows import Door, Rows, verb
from core.ids import new_id
from factory.work.api.shown import GraphOut, SummaryOut, TaskOut
from factory.work.models import Dag, Task
from factory.work.rules import MAX_TASKS, Origin, TaskSpec
from factory.work.services import (
    as_read,
    cancel_branch,
    cancel_graph,
    cancel_task,
    change_priority,
    continue_without,
    create_graph,
    pause_graph,
    replace_task,
    summarize,
    unpause_graph,
)
from portfolio.models import Product

Told = Mapping[str, Any]


class TaskIn(Said):
    """One task to be made; who works is its assignee."""

    title = serializers.CharField(max_length=200)
    assignee = serializers.CharField(max_length=40, required=False, default="", allow_blank=True)
    kind = serializers.CharField(max_length=80, default="agent", help_text="`agent`, or the kind of a job.")
    type = serializers.CharField(
        max_length=40, default="job", help_text="What sort of work; sets the time limit."
    )
    brief = serializers.CharField(max_length=100_000, required=False, default="", allow_blank=True)
    arguments = serializers.DictField(required=False, default=dict)
    max_cost_microusd = serializers.IntegerField(
        min_value=0, max_value=10**12, required=False, default=None, allow_null=True
    )
    answer_schema = serializers.DictField(required=False, default=None, allow_null=True)
    validator = serializers.CharField(max_length=80, default="none")
    priority = serializers.IntegerField(min_value=0, max_value=100, default=50)
    due_at = serializers.DateTimeField(
        required=False, default=None, allow_null=True, help_text="Business time."
    )


class GraphTaskIn(TaskIn):
    """One task of a graph; its key is a temporary id by which the others name it."""

    key = serializers.CharField(max_length=80)
    after = serializers.ListField(
        child=serializers.CharField(max_length=80), required=False, default=list, max_length=MAX_TASKS
    )


class GraphIn(Said):
    """A graph to be made in one piece."""

    title = serializers.CharField(max_length=200)
    product = serializers.SlugField(max_length=40, required=False, default="", allow_blank=True)
    max_cost_microusd = serializers.IntegerField(
        min_value=0, max_value=10**12, required=False, default=None, allow_null=True
    )
    tasks = serializers.ListField(child=GraphTaskIn(), max_length=MAX_TASKS)


class LoneTaskIn(TaskIn):
    """A task of its own: it gets a graph of one."""

    product = serializers.SlugField(max_length=40, required=False, default="", allow_blank=True)


def spec_of(said: Told, *, key: str) -> TaskSpec:
    """Return the task that was described."""
    return TaskSpec(
        key=key, title=said["title"], kind=said["kind"], agent=said["assignee"], type=said["type"], brief=said["brief"],
        arguments=said["arguments"], after=tuple(said.get("after", ())), max_cost_microusd=said["max_cost_microusd"],
        answer_schema=said["answer_schema"], validator=said["validator"], priority=said["priority"], due_at=said["due_at"],
    )  # fmt: skip


def _create(caller: Caller, said: Told, *, tasks: list[TaskSpec]) -> Dag:
    """Make a graph that the product pays for, or the factory."""
    product = (
        get_object_or_404(Product.objects.select_related("scope"), slug=said["product"])
        if said["product"]
        else None
    )
    story = new_id()
    return create_graph(
        product=product,
        title=said["title"],
        tasks=tasks,
        scope=product.scope if product else factory_scope(),
        correlation_id=product.correlation_id if product else story,
        key=f"rest:{story}",
        max_cost_microusd=said.get("max_cost_microusd"),
        origin=Origin(Task.Source.HUMAN, by=caller.name),
    )


class GraphDoor(Rows):
    """Graphs of tasks."""

    serializer_class = GraphOut
    queryset = Dag.objects.select_related("product")
    filterset_fields = ("state", "is_paused", "product__slug", "correlation_id", "key")

    @extend_schema(responses=SummaryOut)
    @action(detail=True)
    def summary(self, request: Request, pk: UUID) -> Response:
        """Say how far it is, what it cost, what it may still cost, and what blocks it."""
        return Response(SummaryOut(summarize(Dag.objects.filter(pk=self.get_object().pk))).data)

    @verb(may=OWNERS, takes=GraphIn, gives=GraphOut, status=201)
    def create(self, caller: Caller, said: Told) -> Dag:
        """Make a graph with all its tasks, or nothing."""
        return _create(caller, said, tasks=[spec_of(task, key=task["key"]) for task in said["tasks"]])

    @verb(may=KEEPERS, gives=GraphOut)
    def pause(self, caller: Caller, said: Told, pk: UUID) -> Dag:
        """Let none of its tasks be claimed; what runs goes on."""
        graph = self._graph(pk)
        pause_graph(pk, by=caller.name)
        graph.refresh_from_db()
        return graph

    @verb(may=OWNERS, gives=GraphOut)
    def resume(self, caller: Caller, said: Told, pk: UUID) -> Dag:
        """Let its tasks be claimed again."""
        graph = self._graph(pk)
        unpause_graph(pk, by=caller.name)
        graph.refresh_from_db()
        return graph

    @verb(may=KEEPERS, takes=Reason, gives=GraphOut)
    def cancel(self, caller: Caller, said: Told, pk: UUID) -> Dag:
        """End every task of it that is not over."""
        cancel_graph(pk, by=caller.name, reason=said["reason"])
        return self._graph(pk)

    def _graph(self, pk: UUID) -> Dag:
        found: Dag = get_object_or_404(Dag.objects.select_related("product"), pk=pk)
        return found


class CancelIn(Reason, Versioned):
    """Whether what waits for it ends too."""

    with_dependents = serializers.BooleanField(default=False)


class BranchIn(Versioned):
    """A note for the record."""

    note = serializers.CharField(max_length=2_000, required=False, default="", allow_blank=True)


class InsteadIn(BranchIn):
    """What stands in its place: a new brief, another assignee, or a result."""

    brief = serializers.CharField(max_length=100_000, required=False, default="", allow_blank=True)
    assignee = serializers.CharField(max_length=40, required=False, default="", allow_blank=True)
    result = serializers.DictField(required=False, default=None, allow_null=True)


class PriorityIn(Versioned):
    """From 0 (urgent) to 100."""

    priority = serializers.IntegerField(min_value=0, max_value=100)


def shown_tasks() -> QuerySet[Task]:
    """Return tasks with what is shown of them."""
    return Task.objects.select_related("agent").prefetch_related("dependencies")


class TaskDoor(Rows):
    """Pieces of work."""

    is_versioned = True
    serializer_class = TaskOut
    queryset = shown_tasks()
    filterset_fields = (
        "dag",
        "state",
        "kind",
        "type",
        "agent__name",
        "queue",
        "held",
        "dag__product__slug",
        "dag__correlation_id",
    )

    @verb(may=OWNERS, takes=LoneTaskIn, gives=TaskOut, status=201)
    def create(self, caller: Caller, said: Told) -> Task:
        """Make a task of its own."""
        graph = _create(caller, said, tasks=[spec_of(said, key="only")])
        return shown_tasks().get(dag=graph)

    @verb(may=KEEPERS, takes=CancelIn, gives=TaskOut)
    def cancel(self, caller: Caller, said: Told, pk: UUID) -> Task:
        """End it wherever it stands; its worker stops at the next look."""
        with as_read(pk, version=said["version"]):
            cancel_task(pk, by=caller.name, reason=said["reason"], with_dependents=said["with_dependents"])
        return shown_tasks().get(pk=pk)

    @verb(may=OWNERS, takes=BranchIn, gives=TaskOut)
    def cancel_branch(self, caller: Caller, said: Told, pk: UUID) -> Task:
        """It is stuck: end it and everything that waits for it."""
        with as_read(pk, version=said["version"]):
            cancel_branch(pk, by=caller.name, note=said["note"])
        return shown_tasks().get(pk=pk)

    @verb(may=OWNERS, takes=BranchIn, gives=TaskOut)
    def continue_without(self, caller: Caller, said: Told, pk: UUID) -> Task:
        """It is stuck: whatever waits for it counts it as done, and is told that it was left out."""
        with as_read(pk, version=said["version"]):
            continue_without(pk, by=caller.name, note=said["note"])
        return shown_tasks().get(pk=pk)

    @verb(may=OWNERS, takes=InsteadIn, gives=TaskOut)
    def replace(self, caller: Caller, said: Told, pk: UUID) -> Task:
        """It is stuck: put a new brief, another assignee or a result in its place; return what stands there now."""
        with as_read(pk, version=said["version"]):
            stands = replace_task(
                pk,
                by=caller.name,
                brief=said["brief"],
                agent=said["assignee"],
                result=said["result"],
                note=said["note"],
            )
        return shown_tasks().get(pk=stands.pk)

    @verb(may=KEEPERS, takes=PriorityIn, gives=TaskOut)
    def priority(self, caller: Caller, said: Told, pk: UUID) -> Task:
        """Move it up or down the line."""
        with as_read(pk, version=said["version"]):
            change_priority(pk, priority=said["priority"], by=caller.name)
        return shown_tasks().get(pk=pk)


class ProductWorkDoor(Door):
    """The work of one product."""

    noun = "product"
    serializer_class = SummaryOut
    queryset = Product.objects.all()
    lookup_field = "slug"
    lookup_value_converter = "slug"

    @extend_schema(responses=SummaryOut)
    @action(detail=True)
    def status(self, request: Request, slug: str) -> Response:
        """Say how far all its work is, what it cost, and what blocks it."""
        return Response(SummaryOut(summarize(Dag.objects.filter(product=self.get_object()))).data)
