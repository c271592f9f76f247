"""The line from a node to its factory: a node has a key and no database."""

import base64
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

import httpx

from core.adapters.tls import trusted
from core.errors import LineRefused
from core.registry import Assignment, Json, Limits, Outcome

TIMEOUT_S = 30.0


@dataclass(frozen=True)
class NodeJob:
    """One job, and how often it must be kept alive."""

    assignment: Assignment
    beat_s: float


class NodeLine:
    """Fetches jobs, says that the node lives, brings results; opened by the node's key."""

    def __init__(self, url: str, *, key: str, transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/v1/nodes/",
            headers={"Authorization": f"Bearer {key}"},
            timeout=TIMEOUT_S,
            transport=transport,
            trust_env=False,
            verify=trusted(),
        )

    def fetch(self) -> NodeJob | None:
        """Return the next job, begun; None when there is none.

        Raises:
            LineRefused: the factory does not know the key.
            httpx.TransportError: the factory cannot be reached.
        """
        job = self._post("fetch/", {})["job"]
        return None if job is None else NodeJob(assignment_of(job), beat_s=job["beat_s"])

    def beat(self, *, attempt_id: UUID | None, facts: Json) -> bool:
        """Say that the node lives; return whether it may go on with its job."""
        said = {"attempt_id": None if attempt_id is None else str(attempt_id), "facts": facts}
        return bool(self._post("beat/", said)["may_go_on"])

    def finish(self, attempt_id: UUID, outcome: Outcome) -> None:
        """Bring how a job ended.

        Raises:
            LineRefused: the job is no longer this node's; nothing was stored.
        """
        artifacts = [
            {
                "kind": one.kind,
                "name": one.name,
                "content": None if one.content is None else base64.b64encode(one.content).decode(),
                "facts": one.facts,
                "media_type": one.media_type,
                "is_final": one.is_final,
            }
            for one in outcome.artifacts
        ]
        said = {
            "attempt_id": str(attempt_id),
            "kind": outcome.kind,
            "result": outcome.result,
            "error": outcome.error[-20_000:],
            "error_class": outcome.error_class,
            "artifacts": artifacts,
        }
        self._post("finish/", said)

    def _post(self, path: str, said: Json) -> Any:
        answer = self._http.post(path, json=said)
        if answer.status_code == HTTPStatus.NO_CONTENT:
            return None
        if answer.is_success:
            return answer.json()
        if (
            answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
            or answer.status_code == HTTPStatus.TOO_MANY_REQUESTS
        ):
            why = f"the factory said {answer.status_code}"
            raise httpx.TransportError(why, request=answer.request)
        raise LineRefused(status=answer.status_code, said=answer.text[:300])


def assignment_of(job: Json) -> Assignment:
    """Return the assignment that was sent: without rights, without money, without a workspace."""
    return Assignment(
        id=UUID(job["id"]),
        reuse_key=UUID(job["reuse_key"]),
        agent="",
        kind=job["kind"],
        title=job["title"],
        brief=job["brief"],
        inputs=job["inputs"],
        answer_schema=job["answer_schema"],
        workspace=None,
        token="",
        scopes=(),
        limits=Limits(cost_microusd=0, seconds=job["seconds"]),
        correlation_id=UUID(job["correlation_id"]) if job["correlation_id"] else None,
        last_error=job["last_error"],
    )
