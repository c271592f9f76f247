"""Why work is refused."""

from core.errors import FactoryError


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
