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
    """Return what `reader` works with: what the tasks before came to, what its children came to, and its arguments.

    Children stand apart under the names their parent gave them, so that upstream and arguments are those of the first
    attempt, byte for byte. What was handed over counts as read. Source: U-4, U-12.
    """
    upstream: Json = {}
    children: Json = {}
    for earlier in Task.objects.filter(dependents__task=task).order_by("key"):
        place, key = (
            (children, earlier.key.removeprefix(f"{task.key}."))
            if earlier.parent_id == task.pk
            else (upstream, earlier.key)
        )
        if earlier.is_left_out:
            place[key] = {"result": None, "artifacts": [], "left_out": True}
        elif attempt := earlier.attempts.filter(state=Attempt.State.DONE).first():
            artifacts = list(attempt.artifacts.order_by("created_at", "id"))
            reader.has_read.add(*artifacts)
            place[key] = {
                "result": attempt.result,
                "artifacts": [_shown(artifact) for artifact in artifacts],
            }
    inputs = {"upstream": upstream, "arguments": task.arguments}
    return {**inputs, "children": children} if children else inputs


def _shown(artifact: Artifact) -> dict[str, Any]:
    return {
        "id": str(artifact.pk),
        "kind": artifact.kind,
        "name": artifact.name,
        "sha256": artifact.blob_id,
        "facts": artifact.facts,
    }
