"""The batch lanes of OpenAI and Anthropic: hand one request in, look whether it is answered, hear the answer."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import httpx

from agents.gateway.adapters.anthropic import AnthropicEar
from agents.gateway.adapters.http import Line, fault_of, url_of
from agents.gateway.adapters.openai import OpenAIEar
from agents.gateway.errors import ProviderFault
from agents.gateway.ports import Said, Wire
from core.adapters.tls import trusted
from core.registry import Json

_TIMEOUT = httpx.Timeout(60, connect=10)
_CLOCKS_APART = timedelta(minutes=5)
_PAGE = 100
_NOT_IN_BATCH = ("stream", "stream_options", "service_tier")


@dataclass(frozen=True)
class Ended:
    """A batch that is over; `answer` None: it was not answered, and nothing was billed."""

    answer: Json | None
    words: str = ""


class BatchLane(Protocol):
    """One provider's batch lane, for one request at a time; every verb may raise a ProviderFault."""

    def post(self, line: Line, body: Json, *, call_id: UUID) -> str:
        """Hand the request in and return the provider's id of it; a free fault: it was surely not taken."""

    def look(self, line: Line, batch_id: str, *, call_id: UUID) -> Ended | None:
        """Return how it ended, None while it runs."""

    def find(self, line: Line, *, call_id: UUID, since: datetime, known: Collection[str]) -> str | None:
        """Return the provider's id of a request of which we do not know whether it was taken; None: it was not.

        `since` is when it was handed in, if it was; `known` are ids that belong to other requests of ours.
        """

    def cancel(self, line: Line, batch_id: str) -> None:
        """Ask the provider to leave it; how it ended is seen by looking."""

    def said(self, answer: Json) -> Said:
        """Return the answer as any other."""


@dataclass(frozen=True)
class OpenAIBatches:
    """`/v1/batches`: a file of lines goes in, a file of lines comes out."""

    wire: Wire

    def post(self, line: Line, body: Json, *, call_id: UUID) -> str:
        """Upload the one line, then begin the batch; only the second step counts."""
        asked = {"custom_id": call_id.hex, "method": "POST", "url": self.wire.path, "body": _plain(body)}
        file = (
            "batch.jsonl",
            json.dumps(asked, ensure_ascii=False).encode("utf-8", "replace"),
            "application/jsonl",
        )
        try:
            told = self._send(line, "POST", "/v1/files", files={"file": file}, data={"purpose": "batch"})
        except ProviderFault as fault:
            fault.is_free = True  # a file that nobody runs costs nothing
            raise
        begun = {
            "input_file_id": told["id"], "endpoint": self.wire.path, "completion_window": "24h", "metadata": {"call": call_id.hex},
        }  # fmt: skip
        return _text(self._send(line, "POST", "/v1/batches", json=begun), "id")

    def look(self, line: Line, batch_id: str, *, call_id: UUID) -> Ended | None:
        """Return how it ended: the line of its output file, or why there is none."""
        batch = self._send(line, "GET", f"/v1/batches/{batch_id}")
        if batch.get("status") not in ("completed", "failed", "expired", "cancelled"):
            return None
        for name in ("output_file_id", "error_file_id"):
            if batch.get(name):
                content = _send(line, self.wire, "GET", f"/v1/files/{batch[name]}/content")
                for told in _lines(content):
                    if told.get("custom_id") == call_id.hex:
                        return _openai_end(told)
        return Ended(None, f"{batch['status']}: {json.dumps(batch.get('errors') or '')[:200]}")

    def find(self, line: Line, *, call_id: UUID, since: datetime, known: Collection[str]) -> str | None:
        """Look through the newest batches for the one that bears the call's name."""
        rows = _rows(self._send(line, "GET", f"/v1/batches?limit={_PAGE}"))
        named = (row for row in rows if (row.get("metadata") or {}).get("call") == call_id.hex)
        return next((_text(row, "id") for row in named), None)

    def cancel(self, line: Line, batch_id: str) -> None:
        """Ask the provider to leave it."""
        self._send(line, "POST", f"/v1/batches/{batch_id}/cancel")

    def said(self, answer: Json) -> Said:
        """Hear the whole answer as one chunk of a stream."""
        ear = OpenAIEar()
        for choice in answer["choices"]:
            message = dict(choice["message"])
            calls = [{"index": n, **call} for n, call in enumerate(message.get("tool_calls") or ())]
            ear.hear({**answer, "choices": [{**choice, "delta": {**message, "tool_calls": calls}}]})
        return ear.said()

    def _send(self, line: Line, method: str, path: str, **what: Any) -> Json:
        return _object(_send(line, self.wire, method, path, **what))


@dataclass(frozen=True)
class AnthropicBatches:
    """`/v1/messages/batches`."""

    wire: Wire
    path: str = "/v1/messages/batches"

    def post(self, line: Line, body: Json, *, call_id: UUID) -> str:
        """Hand the one request in."""
        asked = {"requests": [{"custom_id": call_id.hex, "params": _plain(body)}]}
        return _text(_object(_send(line, self.wire, "POST", self.path, json=asked)), "id")

    def look(self, line: Line, batch_id: str, *, call_id: UUID) -> Ended | None:
        """Return how it ended."""
        batch = _object(_send(line, self.wire, "GET", f"{self.path}/{batch_id}"))
        if batch.get("processing_status") != "ended":
            return None
        result = self._result(line, batch_id, call_id)
        if result is None:
            return Ended(None, "it ended without a result")
        if result.get("type") == "succeeded":
            return Ended(result["message"])
        return Ended(None, f"{result.get('type')}: {json.dumps(result.get('error') or '')[:200]}")

    def find(self, line: Line, *, call_id: UUID, since: datetime, known: Collection[str]) -> str | None:
        """Look into those begun since then that are nobody's: a name stands only in the results of one that ended."""
        rows = _rows(_object(_send(line, self.wire, "GET", f"{self.path}?limit={_PAGE}")))
        strange = [row for row in rows if row.get("id") not in known and _began(row) >= since - _CLOCKS_APART]
        for row in strange:
            if (
                row.get("processing_status") == "ended"
                and self._result(line, _text(row, "id"), call_id) is not None
            ):
                return _text(row, "id")
        if any(row.get("processing_status") != "ended" for row in strange):
            raise ProviderFault("silent", is_free=False, words="a batch that may be this one still runs")
        return None

    def cancel(self, line: Line, batch_id: str) -> None:
        """Ask the provider to leave it."""
        _send(line, self.wire, "POST", f"{self.path}/{batch_id}/cancel")

    def said(self, answer: Json) -> Said:
        """Hear the whole answer as the events of a stream."""
        ear = AnthropicEar()
        ear.hear({"type": "message_start", "message": answer})
        for index, block in enumerate(answer["content"]):
            ear.hear({"type": "content_block_start", "index": index, "content_block": block})
            part = json.dumps(block["input"]) if block["type"] == "tool_use" else block.get("text")
            ear.hear({"type": "content_block_delta", "index": index, "delta": {"text": part}})
        ear.hear({"type": "message_delta", "delta": answer, "usage": answer.get("usage")})
        return ear.said()

    def _result(self, line: Line, batch_id: str, call_id: UUID) -> Json | None:
        content = _send(line, self.wire, "GET", f"{self.path}/{batch_id}/results")
        named = (told["result"] for told in _lines(content) if told.get("custom_id") == call_id.hex)
        return next(named, None)


def _plain(body: Mapping[str, Any]) -> Json:
    return {name: value for name, value in body.items() if name not in _NOT_IN_BATCH}


def _send(line: Line, wire: Wire, method: str, path: str, **what: Any) -> bytes:
    """Return what the provider answers.

    Raises:
        ProviderFault: it refused, or broke, or was not reached.
    """
    try:
        with httpx.Client(verify=trusted(), timeout=_TIMEOUT, follow_redirects=True) as client:
            answer = client.request(
                method, url_of(line.base_url, path), headers=wire.headers(line.key), **what
            )
    except (httpx.ConnectError, httpx.ConnectTimeout) as problem:
        raise ProviderFault("unreachable", is_free=True, words=type(problem).__name__) from problem
    except httpx.HTTPError as problem:
        raise ProviderFault("silent", is_free=False, words=type(problem).__name__) from problem
    if answer.status_code >= 400:
        fault = fault_of(answer.status_code, headers=answer.headers, words=answer.content, key=line.key)
        fault.is_free = fault.is_free and fault.kind != "server"  # a broken server may have taken it
        raise fault
    return answer.content


def _object(content: bytes) -> Json:
    try:
        told = json.loads(content)
    except ValueError as problem:
        raise ProviderFault("garbled", is_free=False, words=type(problem).__name__) from problem
    if not isinstance(told, dict):
        raise ProviderFault("garbled", is_free=False, words="no object")
    return told


def _lines(content: bytes) -> Iterator[Json]:
    yield from (_object(part) for part in content.split(b"\n") if part.strip())


def _rows(told: Json) -> list[Json]:
    rows = told.get("data")
    if not isinstance(rows, list):
        raise ProviderFault("garbled", is_free=False, words="no list")
    return [row for row in rows if isinstance(row, dict)]


def _text(told: Json, name: str) -> str:
    found = told.get(name)
    if not isinstance(found, str) or not found:
        raise ProviderFault("garbled", is_free=False, words=f"no {name}")
    return found


def _began(row: Json) -> datetime:
    try:
        return datetime.fromisoformat(str(row.get("created_at")))
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)


def _openai_end(told: Json) -> Ended:
    response = told.get("response") or {}
    if response.get("status_code") == httpx.codes.OK and isinstance(response.get("body"), dict):
        return Ended(response["body"])
    return Ended(None, json.dumps(told.get("error") or response.get("body") or "")[:200])
