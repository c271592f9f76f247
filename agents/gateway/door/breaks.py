"""How a stream tells what broke it off: in an event that engines of its protocol take for the end."""

import json
from dataclasses import dataclass
from typing import Final

from agents.gateway.adapters.ears import LIMITED
from agents.gateway.adapters.http import read_json
from agents.gateway.door.protocols import RESPONSES, Wanted
from agents.gateway.door.refusals import told
from agents.gateway.door.tongues import new_response
from agents.gateway.errors import ProviderFault
from core.errors import FactoryError
from core.registry import Json

_FATAL: Final = "invalid_prompt"
"""The one code of a response that failed after which Codex asks no more and shows the message; after others it pays again.

Where the maker itself asked to wait it hears so: it waits as long as the message says.
"""


@dataclass
class Out:
    """What of one stream is out, as far as its last event must fit to it."""

    wanted: Wanted
    _last: bytes = b""
    _events: int = 0
    _response: Json | None = None

    def note(self, part: bytes) -> None:
        """Take in whole lines that went out."""
        self._last = part
        if self.wanted.protocol is RESPONSES:
            self._events += part.count(b"\ndata:") + part.startswith(b"data:")
            if self._response is None and b'"response.created"' in part:
                self._response = _begun(part)

    def broken(self, refusal: FactoryError) -> bytes:
        """Return the event that ends the stream; one whose data never came is replaced."""
        last = self._last.rstrip(b"\r\n").rpartition(b"\n")[2]
        before = b"" if last.startswith(b"event:") else b"\n\n"
        protocol = self.wanted.protocol
        if protocol is RESPONSES:
            return before + _event(self._failed(refusal), name="response.failed")
        name = "error" if protocol.speech == "anthropic" else ""
        return before + _event(told(refusal, speech=protocol.speech), name=name)

    def _failed(self, refusal: FactoryError) -> Json:
        error = told(refusal, speech="openai")["error"]
        may_wait = isinstance(refusal, ProviderFault) and refusal.kind == "rate_limited"
        error |= {"code": LIMITED if may_wait else _FATAL, "message": f"{refusal.code}: {error['message']}"}
        response = {**new_response(self.wanted.model), **(self._response or {})}
        failed = {**response, "status": "failed", "error": error}
        return {"type": "response.failed", "sequence_number": self._events, "response": failed}


def _begun(part: bytes) -> Json | None:
    """Return the response as its first event told it."""
    for line in part.split(b"\n"):
        if line.startswith(b"data:") and (data := line[5:].strip()) != b"[DONE]":
            response = read_json(data).get("response")
            return response if isinstance(response, dict) else None
    return None


def _event(data: Json, *, name: str) -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()
