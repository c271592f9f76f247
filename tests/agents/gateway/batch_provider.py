"""The batch lanes of both protocols on loopback: what is handed in ends when it is told to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
OPENAI_ANSWER = {
    "model": "gpt-5.2",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Later."}}],
    "usage": {"prompt_tokens": 1_000, "completion_tokens": 100},
}
CLAUDE_ANSWER = {
    "model": "claude-sonnet-4-5", "content": [{"type": "text", "text": "Later."}], "stop_reason": "end_turn",
    "usage": {"input_tokens": 1_000, "output_tokens": 100},
}  # fmt: skip


@dataclass
class Batch:
    """One batch: the name of its request, the request, and how it ended; empty: it runs."""

    id: str
    name: str
    body: Json
    metadata: Json = field(default_factory=dict)
    ended: str = ""
    answer: Json = field(default_factory=dict)
    is_cancelled: bool = False


@dataclass
class Lanes:
    """The running server.

    Attributes:
        fault: of the next order to begin a batch: a status before it is taken, or `lost`: taken, then no answer.
    """

    url: str
    batches: list[Batch] = field(default_factory=list)
    files: dict[str, Json] = field(default_factory=dict)
    fault: str = ""

    def end(self, ended: str = "completed", *, answer: Json | None = None) -> None:
        """End every batch that runs."""
        for batch in self.batches:
            if not batch.ended:
                batch.ended, batch.answer = ended, answer or {}


@contextmanager
def batch_lanes() -> Iterator[Lanes]:
    """Serve both lanes on a free port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Door)
    server.daemon_threads = True
    lanes = Lanes(f"http://127.0.0.1:{server.server_address[1]}")
    server.lanes = lanes  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield lanes
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Door(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    @property
    def lanes(self) -> Lanes:
        """What is served."""
        return self.server.lanes  # type: ignore[attr-defined, no-any-return]

    def do_POST(self) -> None:
        """Take a file, a batch, or the wish to cancel one."""
        content = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/v1/files":
            name = f"file-{len(self.lanes.files)}"
            self.lanes.files[name] = json.loads(content[content.index(b"{") : content.rindex(b"}") + 1])
            self._say({"id": name})
        elif self.path.endswith("/cancel"):
            self._named().is_cancelled = True
            self._say({})
        else:
            self._begin(json.loads(content))

    def _begin(self, told: Json) -> None:
        if self.lanes.fault.isdigit():
            status, self.lanes.fault = int(self.lanes.fault), ""
            self._say({"error": {"message": "no"}}, status=status)
            return
        asked = self.lanes.files[told["input_file_id"]] if "input_file_id" in told else told["requests"][0]
        batch = Batch(
            f"batch-{len(self.lanes.batches)}",
            asked["custom_id"],
            asked.get("body") or asked["params"],
            told.get("metadata", {}),
        )
        self.lanes.batches.append(batch)
        if self.lanes.fault == "lost":
            self.lanes.fault = ""
            self.close_connection = True
            return
        self._say({"id": batch.id})

    def do_GET(self) -> None:
        """Show one batch, all of them, or a result."""
        path = self.path.partition("?")[0]
        if path.startswith("/v1/files/"):
            self._lines(_openai_line(self._named()))
        elif path.endswith("/results"):
            self._lines(_claude_line(self._named()))
        elif path.endswith("batches"):
            self._say({"data": [_shown(batch) for batch in reversed(self.lanes.batches)]})
        else:
            self._say(_shown(self._named()))

    def _named(self) -> Batch:
        return next(batch for batch in self.lanes.batches if batch.id in self.path.split("/"))

    def _say(self, data: Json, *, status: int = 200) -> None:
        self._answer(json.dumps(data).encode(), status=status)

    def _lines(self, data: Json) -> None:
        self._answer(json.dumps(data).encode() + b"\n", status=200)

    def _answer(self, content: bytes, *, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _shown(batch: Batch) -> Json:
    """Both protocols' words at once; nobody minds the other's."""
    return {
        "id": batch.id,
        "metadata": batch.metadata,
        "created_at": "2999-01-01T00:00:00Z",
        "status": batch.ended or "in_progress",
        "processing_status": "ended" if batch.ended else "in_progress",
        "output_file_id": batch.id if batch.ended == "completed" else None,
    }


def _openai_line(batch: Batch) -> Json:
    return {
        "custom_id": batch.name,
        "response": {"status_code": 200, "body": batch.answer or OPENAI_ANSWER},
        "error": None,
    }


def _claude_line(batch: Batch) -> Json:
    if batch.ended != "completed":
        return {"custom_id": batch.name, "result": {"type": batch.ended}}
    return {
        "custom_id": batch.name,
        "result": {"type": "succeeded", "message": batch.answer or CLAUDE_ANSWER},
    }
