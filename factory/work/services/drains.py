"""The end of a drain: nothing runs any more, so maintenance may begin."""

from core.services import begin_maintenance
from factory.work.models import Task


def settle_drain() -> bool:
    """Begin the maintenance that a drain is for once no worker holds a task; say whether it began now.

    While a drain is on nothing is claimed, so what was seen empty stays empty. Safe to run twice.
    """
    return not Task.objects.leased().exists() and begin_maintenance()
