"""Doors of what begins by the clock, and of what is done outside."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from rest_framework import serializers

from core.api.callers import KEEPERS, OWNERS, Caller
from core.api.reading import Said
from core.api.rows import Row, Rows, verb
from factory.work.api.graphs import GraphTaskIn, spec_of
from factory.work.models import Effect, Schedule
from factory.work.rules import MAX_TASKS
from factory.work.services import pause_schedule, remove_schedule, resume_schedule, set_schedule
from portfolio.models import Product

Told = Mapping[str, Any]


class ScheduleOut(Row[Schedule]):
    """A template of tasks, and when a graph is made of it."""

    product = serializers.CharField(source="product.slug", allow_null=True, default=None)

    class Meta:
        """What is shown."""

        model = Schedule
        fields = (
            "id", "name", "cron", "zone", "product", "template", "is_paused", "next_at", "last_at", "last_dag", "note", "created_by",
            "created_at",
        )  # fmt: skip


class ScheduleIn(Said):
    """One name, one schedule: made, or changed."""

    name = serializers.CharField(max_length=80)
    cron = serializers.CharField(max_length=100, help_text="Minute, hour, day, month, weekday.")
    zone = serializers.CharField(
        max_length=60,
        required=False,
        default="",
        allow_blank=True,
        help_text="Time zone of `cron`; empty: the owner's.",
    )
    product = serializers.SlugField(max_length=40, required=False, default="", allow_blank=True)
    tasks = serializers.ListField(child=GraphTaskIn(), max_length=MAX_TASKS)


class ScheduleDoor(Rows):
    """Work that begins by the clock."""

    serializer_class = ScheduleOut
    queryset = Schedule.objects.select_related("product")
    filterset_fields = ("name", "is_paused", "product__slug")

    @verb(may=OWNERS, takes=ScheduleIn, gives=ScheduleOut, status=201)
    def create(self, caller: Caller, said: Told) -> Schedule:
        """Keep a schedule under this name, made or changed."""
        product = get_object_or_404(Product, slug=said["product"]) if said["product"] else None
        return set_schedule(
            said["name"],
            cron=said["cron"],
            tasks=[spec_of(task, key=task["key"]) for task in said["tasks"]],
            by=caller.name,
            zone=said["zone"],
            product=product,
        )

    @verb(may=KEEPERS, gives=ScheduleOut)
    def pause(self, caller: Caller, said: Told, pk: UUID) -> Schedule:
        """Let nothing begin by it; a run that is under way goes on."""
        pause_schedule(pk, by=caller.name)
        return self._one(pk)

    @verb(may=OWNERS, gives=ScheduleOut)
    def resume(self, caller: Caller, said: Told, pk: UUID) -> Schedule:
        """Let it begin again, at the next time it is due."""
        resume_schedule(pk, by=caller.name)
        return self._one(pk)

    @verb(may=OWNERS, gives=None)
    def remove(self, caller: Caller, said: Told, pk: UUID) -> None:
        """Forget it; what it began stays."""
        remove_schedule(pk, by=caller.name)

    def _one(self, pk: UUID) -> Schedule:
        found: Schedule = self.get_queryset().get(pk=pk)
        return found


class EffectOut(Row[Effect]):
    """One thing that happens outside, once; its intent stood here before it was begun."""

    class Meta:
        """What is shown."""

        model = Effect
        fields = (
            "id", "key", "task", "attempt", "request", "purpose", "arguments", "title", "can_repeat", "state", "tries",
            "external_id", "result", "words", "created_at", "changed_at",
        )  # fmt: skip


class EffectDoor(Rows):
    """What is done outside, and how far it is."""

    serializer_class = EffectOut
    queryset = Effect.objects.all()
    filterset_fields = ("task", "request", "state", "purpose")
