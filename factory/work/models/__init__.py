"""Graphs, tasks, attempts, artifacts, the lines they wait in, and their history."""

from factory.work.models.attempts import Artifact, ArtifactQuerySet, Attempt
from factory.work.models.graphs import Dag, Dependency, Task, TaskQuerySet
from factory.work.models.history import DeadLetter, TaskEvent
from factory.work.models.lanes import Lane, Permit, Queue

__all__ = [
    "Artifact", "ArtifactQuerySet", "Attempt", "Dag", "DeadLetter", "Dependency", "Lane", "Permit", "Queue", "Task", "TaskEvent",
    "TaskQuerySet",
]  # fmt: skip
