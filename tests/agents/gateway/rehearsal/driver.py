"""Drives promises over HTTP against a running copy of a product."""

import os
import re
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from core.adapters.tls import trusted

Json = dict[str, Any]


class Site(BaseHTTPRequestHandler):
    """Pages "on the web" that a journey can set."""

    pages: dict[str, tuple[int, str]] = {}
    posted: dict[str, str] = {}

    def do_POST(self) -> None:
        """Keep what is posted."""
        size = int(self.headers["Content-Length"])
        self.posted[self.path] = self.posted.get(self.path, "") + self.rfile.read(size).decode()
        self.send_response(204)
        self.end_headers()

    def do_GET(self) -> None:
        """Show the page as it was set."""
        status, text = self.pages.get(self.path, (404, "nothing here"))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *given: object) -> None:
        """Say nothing."""


@dataclass
class Journey:
    """One criterion on its way: its own people, its own site, what it kept."""

    wire: httpx.BaseTransport
    kept: dict[str, str]
    people: dict[str, httpx.Client] = field(default_factory=dict)

    def take(self, step: Json) -> httpx.Response:
        """Do one step, as often as it says; gives the last answer."""
        for _ in range(step["times"]):
            answer = self._once(step)
        if step["keep"] and (found := re.search(step["keep"], answer.text)):
            self.kept["kept"] = found[1]
        return answer

    def _once(self, step: Json) -> httpx.Response:
        form, data = self._pairs(step["form"]), self._pairs(step["json"])
        if step["as"] == "site" and step["method"] == "GET":
            return httpx.Response(200, text=Site.posted.get(self.kept["site_path"] + step["path"], ""))
        if step["as"] == "site":
            Site.pages[self.kept["site_path"] + step["path"]] = int(form["status"]), form["text"]
            return httpx.Response(204)
        person = self._person(step["as"])
        headers = self._pairs(step["headers"]) | {"X-CSRFToken": person.cookies.get("csrftoken") or ""}
        body: Json = {"json": data} if data else {"data": form or None}
        return person.request(step["method"], self._fill(step["path"]), headers=headers, **body)

    def _person(self, name: str) -> httpx.Client:
        if name not in self.people:
            person = self.people[name] = httpx.Client(
                base_url="http://product", timeout=20, transport=self.wire
            )
            person.get("/signup/")
            if name in ("anna", "bert"):
                word, token = secrets.token_hex(8), person.cookies["csrftoken"]
                form = {"email": f"{name}.{word}@example.org", "password": word, "csrfmiddlewaretoken": token}
                answer = person.post("/signup/", data=form)
                assert answer.status_code == 302, answer.text
        return self.people[name]

    def _fill(self, text: str) -> str:
        for name, value in self.kept.items():
            text = text.replace("{" + name + "}", value)
        return text

    def _pairs(self, pairs: list[Json]) -> dict[str, str]:
        return {pair["name"]: self._fill(pair["value"]) for pair in pairs}


@dataclass(frozen=True)
class Running:
    """A product that listens on a unix socket, and the words for `{...}` in its steps."""

    uds: Path
    site: str
    tick_key: str

    def fault(self, criterion: Json) -> str:
        """What was seen instead of what the criterion promises; "" when it holds."""
        name, then = criterion["id"], criterion["then"]
        kept = {"site": f"{self.site}/{name}", "site_path": f"/{name}", "tick_key": self.tick_key}
        with httpx.HTTPTransport(uds=str(self.uds), verify=trusted()) as wire:
            journey = Journey(wire, kept)
            for step in criterion["given"]:
                if (answer := journey.take(step)).status_code >= 400:
                    return f"given {step['method']} {step['path']}: {answer.status_code} {answer.text[-300:]}"
            answer = journey.take(criterion["when"])
        if answer.status_code != then["status"]:
            return f"status {answer.status_code}, promised {then['status']}"
        count = answer.text.count(then["text"])
        if then["text"] and (not count or then["times"] not in (0, count)):
            return f"text {then['text']!r} {count} times"
        return f"text {then['absent']!r} is there" if then["absent"] and then["absent"] in answer.text else ""

    def faults(self, criteria: list[Json]) -> dict[str, str]:
        """Every criterion that does not hold, and what was seen."""
        return {c["id"]: fault for c in criteria if (fault := self.fault(c))}


@contextmanager
def running(product: Path) -> Iterator[Running]:
    """A copy of `product` as a child process with a fresh database."""
    site = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    shown = Running(product / "door", f"http://127.0.0.1:{site.server_port}", secrets.token_hex(8))
    database = product / "journeys.sqlite3"
    env = {
        "PATH": os.environ["PATH"], "PRODUCT_TEST": "1", "PRODUCT_TICK_KEY": shown.tick_key,
        "PRODUCT_ALLOWED_FETCH": shown.site, "PRODUCT_DB": str(database), "PRODUCT_LOG": "ERROR",
    }  # fmt: skip
    for old in (database, shown.uds):
        old.unlink(missing_ok=True)
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=product, env=env, check=True)
    with socket.socket(socket.AF_UNIX) as door:  # calls queue here before the product is up
        door.bind(str(shown.uds))
        door.listen(128)
        serve = [sys.executable, "-m", "uvicorn", "product.asgi:application", "--fd", str(door.fileno())]
        child = subprocess.Popen(  # noqa: S603  our own command
            serve,
            cwd=product,
            env=env,
            pass_fds=[door.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
    try:
        yield shown
    finally:
        child.terminate()
        child.wait()
        site.shutdown()
        site.server_close()
