"""Graphs, tasks, attempts, artifacts, the lines they wait in, and their history."""

from factory.work.models.alarms import Alarm, Outage
from factory.work.models.attempts import Artifact, ArtifactQuerySet, Attempt
from factory.work.models.effects import Effect
from factory.work.models.graphs import Dag, Dependency, Task, TaskQuerySet
from factory.work.models.history import DeadLetter, TaskEvent
from factory.work.models.lanes import Lane, Permit, Queue
from factory.work.models.nodes import Node, NodeQuerySet
from factory.work.models.schedules import Schedule

__all__ = [
    "Alarm", "Artifact", "ArtifactQuerySet", "Attempt", "Dag", "DeadLetter", "Dependency", "Effect", "Lane", "Node",
    "NodeQuerySet", "Outage", "Permit", "Queue", "Schedule", "Task", "TaskEvent", "TaskQuerySet",
]  # fmt: skip
