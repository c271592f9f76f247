"""Graphs, tasks, attempts, artifacts and their history."""

from factory.work.models.attempts import Artifact, ArtifactQuerySet, Attempt
from factory.work.models.graphs import Dag, Dependency, Task, TaskQuerySet
from factory.work.models.history import DeadLetter, TaskEvent

__all__ = [
    "Artifact", "ArtifactQuerySet", "Attempt", "Dag", "DeadLetter", "Dependency", "Task", "TaskEvent", "TaskQuerySet",
]  # fmt: skip
