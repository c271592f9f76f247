"""All doors of work."""

from core.api.routes import Doors
from factory.work.api.attempts import (
    ArtifactDoor,
    AttemptDoor,
    ClaimDoor,
    DeadLetterDoor,
    QueueDoor,
    TaskEventDoor,
)
from factory.work.api.graphs import GraphDoor, ProductWorkDoor, TaskDoor
from factory.work.api.planned import EffectDoor, ScheduleDoor

DOORS: Doors = {
    "graphs": GraphDoor,
    "tasks/claim": ClaimDoor,
    "tasks": TaskDoor,
    "attempts": AttemptDoor,
    "task-events": TaskEventDoor,
    "artifacts": ArtifactDoor,
    "dead-letters": DeadLetterDoor,
    "queues": QueueDoor,
    "schedules": ScheduleDoor,
    "effects": EffectDoor,
    "products": ProductWorkDoor,
}
