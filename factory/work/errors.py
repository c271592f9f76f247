"""Why work is refused."""

from core.errors import FactoryError
from core.registry import Question


class GraphRefused(FactoryError):
    """This graph of tasks cannot be made; nothing was stored."""

    code = "GRAPH_REFUSED"
    http_status = 400


class CycleDetected(FactoryError):
    """These tasks wait for each other in a circle; nothing was stored."""

    code = "CYCLE_DETECTED"
    http_status = 400


class TaskChanged(FactoryError):
    """Somebody else changed this task first."""

    code = "TASK_CHANGED"


class LeaseLost(FactoryError):
    """This attempt no longer holds its task; it must stop, and nothing of it was stored."""

    code = "LEASE_LOST"


class OutcomeRefused(FactoryError):
    """An attempt may not end like this."""

    code = "OUTCOME_REFUSED"
    http_status = 400


class NoOpenQuestion(FactoryError):
    """This task does not wait for an answer."""

    code = "NO_OPEN_QUESTION"


class PoisonedTask(FactoryError):
    """This task failed too often as it stands; change it and try again, or cancel it."""

    code = "POISONED_TASK"


class NothingStuck(FactoryError):
    """Nothing is stuck behind this task: there is nothing to choose."""

    code = "NOTHING_STUCK"


class ScheduleRefused(FactoryError):
    """This schedule cannot be kept; nothing was stored."""

    code = "SCHEDULE_REFUSED"
    http_status = 400


class EffectUnknown(FactoryError):
    """Nobody knows whether this happened: it was begun, and whoever did it is gone. It is not done again unasked."""

    code = "EFFECT_UNKNOWN"

    def __init__(self, question: Question, **facts: object) -> None:
        self.question = question
        super().__init__(**facts)


class EffectFailed(FactoryError):
    """This could not be done."""

    code = "EFFECT_FAILED"
    http_status = 422


class QueueFull(FactoryError):
    """There is more open work than the factory takes on; it may fit in later."""

    code = "QUEUE_FULL"
    http_status = 429
    is_retryable = True
    advice = "Ask again later, or cancel what is no longer wanted."


class NodeRefused(FactoryError):
    """No node of this factory has this key."""

    code = "NODE_REFUSED"
    http_status = 403
    advice = "Ask the owner for a key: `factory node admit NAME`."
