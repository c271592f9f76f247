"""A trace store on loopback: it decodes what it is sent, and answers as it is told to."""

import gzip
import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue


@dataclass(frozen=True)
class Received:
    """One span as the store understood it."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    is_error: bool
    lasts_ns: int


@dataclass
class Receiver:
    """What came, and with which status the next ones are answered; a body above `most_bytes` is too large."""

    url: str = ""
    status: int = 200
    most_bytes: int = 10_000_000
    location: str = ""
    answer: bytes = b""
    spans: list[Received] = field(default_factory=list)
    scores: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """Take in one request and return how it is answered."""
        content = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        self.headers.append(headers)
        self.bodies.append(content)
        if len(content) > self.most_bytes:
            return 413
        if self.status not in (200, 207):
            return self.status
        if path.endswith("/v1/traces"):
            self.spans += _spans(content)
        else:
            self.scores += json.loads(content)
        return self.status

    def named(self, kind: str) -> list[Received]:
        """Return the spans of one kind."""
        return [one for one in self.spans if one.attributes["langfuse.observation.metadata.kind"] == kind]

    @property
    def text(self) -> str:
        """Everything that came, as text."""
        return b"".join(self.bodies).decode("utf-8", "replace")


def basic(public: str, secret: str) -> str:
    """Return how a client says who it is."""
    return f"Basic {b64encode(f'{public}:{secret}'.encode()).decode()}"


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Give a store that listens."""
    store = Receiver()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(store.take(self.path, headers, body))
            if store.location:
                self.send_header("location", store.location)
            self.send_header("content-length", str(len(store.answer)))
            self.end_headers()
            self.wfile.write(store.answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    store.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()


def _spans(content: bytes) -> list[Received]:
    request = ExportTraceServiceRequest.FromString(content)
    return [
        Received(
            name=span.name,
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            attributes={pair.key: _plain(pair.value) for pair in span.attributes},
            is_error=span.status.code == 2,
            lasts_ns=span.end_time_unix_nano - span.start_time_unix_nano,
        )
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(one) for one in value.array_value.values]
    return getattr(value, str(kind))
