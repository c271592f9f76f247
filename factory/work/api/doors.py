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

DOORS: Doors = {
    "graphs": GraphDoor,
    "tasks/claim": ClaimDoor,
    "tasks": TaskDoor,
    "attempts": AttemptDoor,
    "task-events": TaskEventDoor,
    "artifacts": ArtifactDoor,
    "dead-letters": DeadLetterDoor,
    "queues": QueueDoor,
    "products": ProductWorkDoor,
}
