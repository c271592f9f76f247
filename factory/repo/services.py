"""Product repositories: founded from a template, changed by merges alone, packed for release."""

import logging
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import transaction

from core.errors import FactoryError
from core.ids import story_of
from core.services import publish, read_blob
from factory.repo.adapters.bare import BareRepository, Change
from factory.repo.adapters.environments import environment_for
from factory.repo.errors import MergeRefused, TemplateUnknown
from factory.repo.models import Merge
from factory.work.models import Attempt, Task
from factory.work.services import accept_result, refuse_result

logger = logging.getLogger(__name__)
VALIDATOR = "repo.merge"
LANE = "repo:merge lane"


def repository_of(product_id: UUID | str) -> BareRepository:
    """Return the repository of a product, which may not be founded yet."""
    return BareRepository(settings.REPOS_DIR / f"{product_id}.git")


def template_folder(name: str) -> Path:
    """Return where a product template stands.

    Raises:
        TemplateUnknown: there is none of this name.
    """
    known = {folder.name: folder for folder in (Path(settings.DATA_DIR) / "skeletons").iterdir()}
    if name not in known:
        raise TemplateUnknown(name=name, known=", ".join(sorted(known)))
    return known[name]


def found_repository(product_id: UUID | str, *, template: str) -> str:
    """Make the product's repository from a template; return its first or present commit. Safe to run twice."""
    folder = template_folder(template)
    title, trailers = f"Start from {template}", {"Template": template}
    return repository_of(product_id).found(folder, title=title, trailers=trailers)


def python_for(template: str) -> Path:
    """Return the interpreter of the environment that products of this template run in; built at the first call."""
    return environment_for(
        template_folder(template) / "requirements.txt", home=settings.SHARED_DIR / "environments"
    )


def merge_offered() -> int:
    """Judge every change that waits for the merge lane; return how many were merged. Safe to run twice."""
    offered = Attempt.objects.filter(state=Attempt.State.OFFERED, task__validator=VALIDATOR)
    waiting = (
        offered.filter(task__state=Task.State.VALIDATING)
        .select_related("task__dag", "agent")
        .order_by("ended_at")
    )
    return sum(_judge(attempt) for attempt in waiting)


def _judge(attempt: Attempt) -> bool:
    try:
        merged = repository_at(attempt.task).merge(_change_of(attempt))
    except MergeRefused as refusal:
        refuse_result(attempt.pk, faults=[refusal.sentence], by=LANE, error_class="invalid_output")
        return False
    except FactoryError as error:
        logger.warning("repo.merge_failed", extra={"attempt_id": str(attempt.pk), "code": error.code})
        return False
    with transaction.atomic(), story_of(attempt.task.dag.correlation_id):
        Merge.objects.get_or_create(
            attempt=attempt, defaults={"commit": merged.commit, "files": list(merged.files)}
        )
        accept_result(attempt.pk, by=LANE, reason=f"merged {len(merged.files)} files")
        publish("repo.change_merged", attempt_id=str(attempt.pk), commit=merged.commit)
    return True


def repository_at(task: Task) -> BareRepository:
    """Return the repository a task works in.

    Raises:
        MergeRefused: it works in none.
    """
    if not task.workspace:
        raise MergeRefused(why="its task works in no repository")
    return BareRepository(Path(task.workspace["repository"]))


def _change_of(attempt: Attempt) -> Change:
    """Return what an attempt offers.

    Raises:
        MergeRefused: it offers nothing.
    """
    bundle = attempt.artifacts.filter(kind="bundle").first()
    if bundle is None or bundle.blob_id is None:
        raise MergeRefused(why="nothing was changed")
    task = attempt.task
    return Change(
        name=str(attempt.pk),
        title=task.title,
        bundle=read_blob(bundle.blob_id),
        may_write=tuple(task.may_write),
        trailers={
            "Agent": attempt.agent.name if attempt.agent else "",
            "Task": str(task.pk),
            "Attempt": str(attempt.pk),
        },
    )
