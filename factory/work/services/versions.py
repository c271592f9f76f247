"""Changes of a task as somebody read it."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import transaction

from core.errors import NotFound
from factory.work.errors import TaskChanged
from factory.work.services.tasks import lock_task


@contextmanager
def as_read(task_id: UUID, *, version: int | None) -> Iterator[None]:
    """Let the block change the task only if it is still at this version; None: whatever it is at.

    Raises:
        NotFound: no such task.
        TaskChanged: it is at another version; nothing is done.
    """
    with transaction.atomic():
        if version is not None:
            task = lock_task(pk=task_id)
            if task is None:
                raise NotFound(task=task_id)
            if task.version != version:
                raise TaskChanged(task=task_id, version=task.version, read=version)
        yield
