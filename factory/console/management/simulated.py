"""The people of a rehearsal: an owner who answers the pages' own forms, customers and a payment processor outside."""

import json
import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from core.models import User

CUSTOMERS = Path(__file__).parent.parent / "adapters" / "customers.py"
NAME = "simulated-owner"
DECISION = re.compile(r'href="(/decisions/[0-9a-f-]{36}/)"')
DIGEST = re.compile(r'name="digest" value="([0-9a-f]{64})"')
LOOK_S = 0.3


def hire_owner() -> str:
    """Make the simulated owner, marked as such, and return its password of this run."""
    password = secrets.token_urlsafe(24)
    owner, _ = User.objects.get_or_create(
        username=NAME, defaults={"role": User.Role.OWNER, "is_simulated": True}
    )
    owner.set_password(password)
    owner.save(update_fields=["password"])
    return password


class Owner:
    """Signs in at the pages and says yes to every question, as a person would: it reads the page, then answers."""

    def __init__(self, address: str, *, password: str) -> None:
        self._pages = httpx.Client(base_url=address, timeout=30, trust_env=False, follow_redirects=True)
        self._answered: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="simulated-owner", daemon=True)
        self._post("/login/", username=NAME, password=password)

    def __enter__(self) -> "Owner":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(timeout=5)
        self._pages.close()

    def _run(self) -> None:
        while not self._over.wait(LOOK_S):
            try:
                for path in dict.fromkeys(DECISION.findall(self._pages.get("/decisions/?split=1").text)):
                    self._answer(path)
            except httpx.TransportError:
                continue  # the factory restarts: look again

    def _answer(self, path: str) -> None:
        if path in self._answered:
            return
        shown = DIGEST.search(self._pages.get(path).text)
        if shown:
            self._post(path, answer="approve", digest=shown[1], words="")
            self._answered.add(path)

    def _post(self, path: str, **form: str) -> httpx.Response:
        self._pages.get(path)
        token = self._pages.cookies.get("csrftoken") or ""
        headers = {"X-CSRFToken": token, "Referer": str(self._pages.base_url)}
        return self._pages.post(path, data={**form, "csrfmiddlewaretoken": token}, headers=headers)


def outside(order: dict[str, Any]) -> dict[str, Any]:
    """Let the process outside carry out one order; see `adapters/customers.py`."""
    done = subprocess.run(  # noqa: S603 (our own file, no shell, no environment)
        [sys.executable, "-I", str(CUSTOMERS)], input=json.dumps(order), capture_output=True, text=True, env={}, cwd="/",
        timeout=60, check=True,
    )  # fmt: skip
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def until(is_true: Callable[[], bool], *, at_most_s: float, every_s: float = 0.1) -> bool:
    """Wait until something holds; say whether it did in time."""
    waiter = threading.Event()
    rounds = int(at_most_s / every_s)
    return any(is_true() or waiter.wait(every_s) for _ in range(rounds)) or is_true()
