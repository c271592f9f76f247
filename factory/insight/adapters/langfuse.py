"""Observations to a Langfuse: plain OTLP over HTTP, protobuf and gzip; none of its software runs here.

Source: https://langfuse.com/docs/opentelemetry, and what its own client sends.
"""

import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import httpx
from django.utils import timezone
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from core.adapters.tls import trusted
from core.errors import FactoryError
from core.redact import redact
from factory.insight.errors import NotAtOnce, StoreRefused, StoreSilent
from factory.insight.rules.observations import WRONG, Observation, Score, Value, span_id_of, trace_id_of

TIMEOUT_S: Final = 10.0
SPANS, SCORES = "/api/public/otel/v1/traces", "/api/public/scores"
MOST_BYTES: Final = 3_000_000
"""Of one request, before it is packed."""
_PASSES: Final = frozenset({401, 403, 404, 408, 425, 429})
"""Mended by waiting or by the owner; any other refusal is of what was sent."""


@dataclass(frozen=True)
class Target:
    """Where a Langfuse stands, and how we are known there."""

    url: str
    public_key: str
    secret_key: str

    def send(self, observations: Sequence[Observation], scores: Sequence[Score]) -> int:
        """Send all of it, and return how many were refused one by one; sent again it is the same.

        Raises:
            StoreSilent: it did not answer, moved, or is out of order.
            StoreRefused: what was sent.
            NotAtOnce: it is too large for one request, or a part of it cannot be encoded.
        """
        try:
            spans, bodies = _spans(observations), _scores(scores)
        except ValueError as error:  # half a letter, or a time before 1970
            raise NotAtOnce(because=type(error).__name__) from None
        refused, auth = 0, (self.public_key, self.secret_key)
        with httpx.Client(
            auth=auth, timeout=TIMEOUT_S, follow_redirects=False, trust_env=False, verify=trusted()
        ) as client:
            if observations:
                headers = {
                    "content-type": "application/x-protobuf",
                    "content-encoding": "gzip",
                    "x-langfuse-ingestion-version": "4",
                }
                refused += self._post(client, SPANS, headers=headers, content=gzip.compress(spans, 6))
            if scores:
                headers = {"content-type": "application/json"}
                refused += self._post(client, SCORES, headers=headers, content=bodies)
        return refused

    def _post(self, client: httpx.Client, path: str, **what: object) -> int:
        try:
            answer = client.post(f"{self.url.rstrip('/')}{path}", **what)  # type: ignore[arg-type] # passed on as given
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise StoreSilent(at=path, because=type(error).__name__) from None
        if not answer.is_success:
            raise _refusal(path, answer)
        return _refused_in(answer) if answer.status_code == httpx.codes.MULTI_STATUS else 0


def _refusal(path: str, answer: httpx.Response) -> FactoryError:
    status = answer.status_code
    if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
        return NotAtOnce(at=path, status=status)
    if answer.is_redirect:
        return StoreSilent(at=path, status=status, moved_to=redact(answer.headers.get("location", "")))
    passes = status >= 500 or status in _PASSES
    return (StoreSilent if passes else StoreRefused)(at=path, status=status)


def _refused_in(answer: httpx.Response) -> int:
    """Return how many of a batch were refused, by an answer that tells of each."""
    try:
        errors = answer.json()["errors"]
    except (ValueError, KeyError, TypeError):
        return 0
    return len(errors) if isinstance(errors, list) else 0


def _spans(observations: Iterable[Observation]) -> bytes:
    """Return the observations as one OTLP export request."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.append(_pair("service.name", "agentic-factory"))
    scope = resource.scope_spans.add()
    scope.scope.name = "agentic-factory"
    n_bytes = 0
    for one in observations:
        span = _span(one)
        n_bytes += span.ByteSize()
        _check_size(n_bytes)
        scope.spans.append(span)
    return bytes(request.SerializeToString())


def _scores(scores: Iterable[Score]) -> bytes:
    body = json.dumps([score.body() for score in scores], ensure_ascii=False).encode()
    _check_size(len(body))
    return body


def _check_size(n_bytes: int) -> None:
    if n_bytes > MOST_BYTES:
        raise NotAtOnce(bytes=n_bytes)


def _span(one: Observation) -> trace_pb2.Span:
    span = one.span
    began = span.started_at or span.ended_at or timezone.now()
    is_wrong = span.status in WRONG
    code = trace_pb2.Status.STATUS_CODE_ERROR if is_wrong else trace_pb2.Status.STATUS_CODE_UNSET
    attributes = one.attributes()
    return trace_pb2.Span(
        trace_id=trace_id_of(one.story),
        span_id=span_id_of(span.id),
        parent_span_id=span_id_of(span.parent_id) if span.parent_id else b"",
        name=one.name,
        kind=trace_pb2.Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=_nano(began),
        end_time_unix_nano=_nano(span.ended_at or began),
        attributes=[_pair(name, value) for name, value in attributes.items()],
        status=trace_pb2.Status(code=code, message=str(attributes.get(_MESSAGE, "")) if is_wrong else ""),
    )


_MESSAGE: Final = "langfuse.observation.status_message"


def _nano(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1_000


def _pair(name: str, value: Value) -> KeyValue:
    return KeyValue(key=name, value=_any(value))


def _any(value: Value) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, tuple):
        return AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=one) for one in value]))
    return AnyValue(string_value=value)
