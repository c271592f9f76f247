"""Artifacts: stored under the fence, handed on to the tasks behind."""

import json
from collections.abc import Iterable
from typing import Any

from core.registry import ArtifactDraft, Json
from core.services import put_blob
from factory.work.errors import OutcomeRefused
from factory.work.models import Artifact, Attempt, Task
from factory.work.services.tasks import tell

MAX_RESULT_BYTES = 1_000_000
"""A larger result is an artifact. Source: R-04.16."""


def store_artifacts(attempt: Attempt, drafts: Iterable[ArtifactDraft]) -> None:
    """Store what an attempt made; the caller holds its fence."""
    for draft in drafts:
        blob = None if draft.content is None else put_blob(draft.content, media_type=draft.media_type)
        artifact = Artifact.objects.create(
            attempt=attempt,
            kind=draft.kind,
            name=draft.name,
            blob=blob,
            facts=draft.facts,
            is_final=draft.is_final,
        )
        tell("work.artifact_added", attempt.task, artifact_id=str(artifact.pk), artifact_kind=draft.kind)


def check_size(result: Json) -> str:
    """Return the result as JSON, or refuse one that belongs into an artifact.

    Raises:
        OutcomeRefused: it is larger than a megabyte.
    """
    text = json.dumps(result, ensure_ascii=False)
    if len(text.encode()) > MAX_RESULT_BYTES:
        raise OutcomeRefused(
            size_bytes=len(text.encode()), at_most=MAX_RESULT_BYTES, advice="offer it as an artifact"
        )
    return text


def inputs_of(task: Task, *, reader: Attempt) -> Json:
    """Return what `reader` works with: accepted results and artifacts of the tasks before, and its arguments.

    What was handed over counts as read. Source: U-4.
    """
    before = Attempt.objects.filter(state=Attempt.State.DONE, task__dependents__task=task)
    upstream: Json = {}
    for attempt in before.select_related("task").order_by("task__key"):
        artifacts = list(attempt.artifacts.order_by("created_at", "id"))
        reader.has_read.add(*artifacts)
        upstream[attempt.task.key] = {
            "result": attempt.result,
            "artifacts": [_shown(artifact) for artifact in artifacts],
        }
    return {"upstream": upstream, "arguments": task.arguments}


def _shown(artifact: Artifact) -> dict[str, Any]:
    return {
        "id": str(artifact.pk),
        "kind": artifact.kind,
        "name": artifact.name,
        "sha256": artifact.blob_id,
        "facts": artifact.facts,
    }
