"""Serve a product and note which lines each journey runs; started by path with the product's own Python.

`python -P traced.py DESCRIPTOR` in the product's folder serves on a listening socket that its parent opened.
A request's journey is named by its header X-Journey; GET /-/traces gives what was noted.
"""

import importlib
import json
import logging
import socket
import sys
import traceback
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import Any

import coverage
import uvicorn
from django.core.management import call_command
from django.http.response import HttpResponseBase
from django.template.base import Node

Wire = Callable[..., Awaitable[None]]
Place = tuple[str, int]
TREE = Path.cwd()


class Traces(logging.Handler):
    """What ran and what was raised, by journey."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = coverage.Coverage(
            data_file=None, source=[str(TREE)], omit=["*/migrations/*", "*/tests/*"], config_file=False
        )
        self.shown: dict[str, set[Place]] = defaultdict(set)
        self.raised: dict[str, list[str | int]] = {}
        self.answered: dict[str, dict[int, Place]] = defaultdict(dict)
        self.journey = ""

    def follow(self, journey: str) -> None:
        """Note all that comes under the name `journey`."""
        if journey != self.journey:
            self.journey = journey
            self.lines.switch_context(journey)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the innermost place in the product of an error that was logged: nobody handled it better."""
        fault = record.exc_info[1] if record.exc_info else None
        trace = traceback.extract_tb(fault.__traceback__ if fault else None)
        ours = [frame for frame in trace if Path(frame.filename).is_relative_to(TREE)]
        if fault and ours:
            file = str(Path(ours[-1].filename).relative_to(TREE))
            self.raised[self.journey] = [file, ours[-1].lineno or 0, f"{type(fault).__name__}: {fault}"]

    def note_templates(self) -> None:
        """Templates have lines too: note each tag and variable that is rendered."""
        render = Node.render_annotated

        def noted(node: Any, context: Any) -> Any:
            if Path(node.origin.name).is_relative_to(TREE):
                self.shown[self.journey].add(
                    (str(Path(node.origin.name).relative_to(TREE)), node.token.lineno)
                )
            return render(node, context)

        Node.render_annotated = noted  # type: ignore[method-assign, assignment]

    def note_answers(self) -> None:
        """Note where in a view each answer is made; what a middleware answers has no place."""
        make = HttpResponseBase.__init__

        def noted(answer: Any, *args: Any, **kwargs: Any) -> None:
            make(answer, *args, **kwargs)
            frame: FrameType | None = sys._getframe(1)
            while frame and "/django/core/handlers/" not in frame.f_code.co_filename:
                if Path(frame.f_code.co_filename).is_relative_to(TREE):
                    file = str(Path(frame.f_code.co_filename).relative_to(TREE))
                    self.answered[self.journey][answer.status_code] = (file, frame.f_lineno)
                    return
                frame = frame.f_back

        HttpResponseBase.__init__ = noted  # type: ignore[method-assign, assignment]

    def dump(self) -> bytes:
        """All of it as JSON."""
        data, ran = self.lines.get_data(), defaultdict(set, {name: set(p) for name, p in self.shown.items()})
        for path in data.measured_files():
            for line, journeys in data.contexts_by_lineno(path).items():
                for journey in journeys:
                    ran[journey].add((str(Path(path).relative_to(TREE)), line))
        lines = {journey: sorted(places) for journey, places in ran.items()}
        return json.dumps({"lines": lines, "raised": self.raised, "answered": self.answered}).encode()


def followed(application: Wire, traces: Traces) -> Wire:
    """The product's application behind a door that reads, and takes away, the name of the journey."""

    async def serve(scope: dict[str, Any], receive: Wire, send: Wire) -> None:
        if scope["type"] == "http" and scope["path"] == "/-/traces":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": traces.dump()})
            return
        if scope["type"] == "http":
            traces.follow(dict(scope["headers"]).get(b"x-journey", b"").decode())
            scope = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"x-journey"]}
        await application(scope, receive, send)

    return serve


def main() -> None:
    """Bring the database up to date and serve until killed."""
    traces = Traces()
    traces.lines.start()
    sys.path.insert(0, str(TREE))
    application = importlib.import_module("product.asgi").application
    call_command("migrate", verbosity=0)
    logging.getLogger().addHandler(traces)
    traces.note_templates()
    traces.note_answers()
    config = uvicorn.Config(followed(application, traces), log_config=None, lifespan="off", ws="none")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


if __name__ == "__main__":
    main()
