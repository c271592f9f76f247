"""The saas-py skeleton: it passes its own gates, runs by itself, and carries a domain written on its house."""

import hmac
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from core.adapters.tls import trusted

SKELETON = Path(__file__).resolve().parents[2] / "data" / "skeletons" / "saas-py"
KEYS = {"PRODUCT_TICK_KEY": "tick", "PRODUCT_PROOF_KEY": "proof", "PRODUCT_RELEASE": "r1"}
DOMAIN = {
    "product/domain.py": 'APPS = ["lists"]\n',
    "product/copy.json": '{"name": "Lists", "tagline": "T", "sentence": "S", "nav": [{"label": "Lists", "path": "/lists/"}]}',
    "product/plans.json": '[{"plan": "One", "usd_month": 5, "limit": 2, "history_days": 7}]',
    "lists/__init__.py": "",
    "lists/models.py": """
from django.conf import settings
from django.db import models
class Entry(models.Model):
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    name = models.CharField(max_length=200)
    is_told = models.BooleanField(default=False)
""",
    "lists/rules.py": """
from house.models import Notice
from house.tick import every_tick
from lists.models import Entry
@every_tick
def tell() -> None:
    for entry in Entry.objects.filter(is_told=False):
        Notice.send(entry.owner, subject=f"{entry.name} is here", text="x")
        entry.is_told = True
        entry.save()
    if Entry.objects.filter(name="poison").exists():
        raise ValueError("poison")
""",
    "lists/api.py": "urlpatterns = []\n",
    "lists/pages.py": """
import time
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from house import events, plans
from lists.models import Entry
@login_required
def index(request):
    mine = Entry.objects.filter(owner=request.user)
    if request.method == "POST":
        with transaction.atomic():
            if not plans.room_for(request.user, mine.count()):
                return render(request, "house/limit.html", status=402)
            Entry.objects.create(owner=request.user, name=request.POST["name"])
            events.record("use", request.user)
        return redirect("/lists/")
    return render(request, "lists/index.html", {"entries": mine})
def slow(request):
    time.sleep(0.4)
    return HttpResponse("finished")
urlpatterns = [path("lists/", index), path("slow/", slow)]
""",
    "lists/urls.py": "from lists import api, pages\nurlpatterns = [*api.urlpatterns, *pages.urlpatterns]\n",
    "templates/lists/index.html": '{% extends "base.html" %}{% block main %}{% for e in entries %}<p>{{ e.name }}</p>{% endfor %}{% endblock %}',
    "lists/tests/__init__.py": "",
    "lists/tests/test_rules.py": """
from django.contrib.auth.models import User
from django.test import TestCase
from house.models import Notice
from house.tick import run_all
from lists.models import Entry
class RuleTest(TestCase):
    def test_it_is_told_once(self):
        Entry.objects.create(owner=User.objects.create_user("anna"), name="a")
        run_all(), run_all()
        self.assertEqual(Notice.objects.get().subject, "a is here")
""",
}


def in_product(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """The product's own command, run with nothing of ours but the interpreter."""
    return subprocess.run(  # noqa: S603 (our own files)
        [sys.executable, *command],
        cwd=folder,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )


def a_copy(folder: Path) -> Path:
    """A fresh product, as rendered."""
    leave = shutil.ignore_patterns("__pycache__", ".*_cache", ".venv", "db.sqlite3*")
    return Path(shutil.copytree(SKELETON, folder / "product", ignore=leave))


def with_domain(folder: Path) -> Path:
    """A product with a small domain written on the house."""
    product = a_copy(folder)
    for name, text in DOMAIN.items():
        file = product / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    assert in_product(product, "manage.py", "makemigrations", "lists").returncode == 0
    return product


@dataclass(frozen=True)
class Running:
    """A product that answers on its socket."""

    process: subprocess.Popen[str]
    path: str
    wire: httpx.HTTPTransport

    def person(self) -> httpx.Client:
        """A browser with cookies of its own; all share one wire."""
        return httpx.Client(base_url="http://product", transport=self.wire, timeout=20)

    def ended(self) -> list[dict[str, object]]:
        """End it gracefully; gives what it has logged since it listens."""
        self.process.terminate()
        said, _ = self.process.communicate(timeout=10)
        return [json.loads(line) for line in said.splitlines()]


@contextmanager
def running(product: Path, **environ: str) -> Iterator[Running]:
    """Start the product by its one documented command."""
    with ExitStack() as ends:
        path = ends.enter_context(tempfile.TemporaryDirectory()) + "/s"  # a socket's path must be short
        folders = f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"
        process = subprocess.Popen(  # noqa: S603 (our own file)
            ["./run", "--uds", path],
            cwd=product,
            env={"PATH": folders, **KEYS, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        ends.enter_context(process)
        ends.callback(process.kill)
        assert process.stdout is not None
        assert any("Uvicorn running" in line for line in process.stdout)
        yield Running(process, path, ends.enter_context(httpx.HTTPTransport(uds=path, verify=trusted())))


def signed_up(product: Running, email: str) -> httpx.Client:
    """A new person with an open account."""
    person = product.person()
    person.get("/signup/")
    person.headers["X-CSRFToken"] = person.cookies["csrftoken"]
    answer = person.post("/signup/", data={"email": email, "password": "-".join(["quiet", "river", "42"])})
    assert answer.status_code == 302, answer.text
    person.headers["X-CSRFToken"] = person.cookies["csrftoken"]
    return person


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running product with a domain."""
    with running(with_domain(tmp_path_factory.mktemp("lists")), PRODUCT_TEST="1") as product:
        yield product


def test_the_bare_skeleton_passes_its_own_tests(tmp_path: Path) -> None:
    done = in_product(a_copy(tmp_path), "manage.py", "test")

    assert done.returncode == 0, done.stderr
    assert int(re.findall(r"Ran (\d+) tests", done.stderr)[0]) >= 40


def test_its_tests_notice_a_fault_in_the_house(tmp_path: Path) -> None:
    product = a_copy(tmp_path)
    plans = product / "house" / "plans.py"
    plans.write_text(plans.read_text("utf-8").replace("used < limit_of", "used <= limit_of"), "utf-8")

    done = in_product(product, "manage.py", "test")

    assert done.returncode == 1
    assert "house/tests/test_people.py" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("-m", "ruff", "check", "--no-cache", "."),
        ("-m", "ruff", "format", "--no-cache", "--check", "."),
        ("-m", "bandit", "-q", "-r", "."),
        ("manage.py", "makemigrations", "--check"),
    ],
)
def test_the_bare_skeleton_passes_its_gates(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = in_product(a_copy(tmp_path), *command)

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_dependency_is_pinned_by_hash() -> None:
    lock = (SKELETON / "requirements.txt").read_text("utf-8").replace("\\\n", " ")
    pins = [line for line in lock.splitlines() if line.strip() and not line.lstrip().startswith("#")]

    assert pins
    assert [pin for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []


def test_it_imports_nothing_of_the_factory() -> None:
    ours = re.compile(
        r"^\s*(?:from|import) (?:core|approvals|billing|agents|portfolio|factory)\b", re.MULTILINE
    )

    assert [str(file) for file in SKELETON.rglob("*.py") if ours.search(file.read_text("utf-8"))] == []


def test_a_person_signs_up_uses_pays_and_is_told(lists: Running) -> None:
    anna = signed_up(lists, "anna@example.org")

    assert anna.post("/lists/", data={"name": "First one"}).status_code == 302
    assert anna.post("/plans/pay/", data={"plan": "One", "card": "4000000000000002"}).status_code == 402
    assert anna.post("/plans/pay/", data={"plan": "One", "card": "4242424242424242"}).status_code == 302
    assert lists.person().post("/internal/tick", headers={"X-Tick-Key": "tick"}).status_code == 204

    told = anna.get("/notices/").text
    assert ["Welcome to Lists" in told, "Receipt for One" in told, "First one is here" in told] == [True] * 3
    assert "First one" not in signed_up(lists, "bert@example.org").get("/lists/").text
    counted = lists.person().get("/internal/events", headers={"X-Tick-Key": "tick"}).json()["events"]
    assert {"first_use", "payment", "sign_up", "use"} <= {event["name"] for event in counted}


def test_the_plan_holds_under_a_rush_and_a_key_is_done_once(lists: Running) -> None:
    cleo, dora = signed_up(lists, "cleo@example.org"), signed_up(lists, "dora@example.org")

    def add(person: httpx.Client, **headers: str) -> Callable[[int], int]:
        return lambda _: person.post("/lists/", data={"name": "same"}, headers=headers).status_code

    with ThreadPoolExecutor(8) as crowd:
        rush = sorted(crowd.map(add(cleo), range(8)))
        repeats = set(crowd.map(add(dora, **{"Idempotency-Key": "k"}), range(8)))

    assert rush == [302] * 2 + [402] * 6
    assert repeats == {302}
    assert dora.get("/lists/").text.count("<p>same</p>") == 1


def test_health_proves_the_release_and_the_pages_stand(lists: Running) -> None:
    nobody = lists.person()
    proof = hmac.new(b"proof", b"n1r1", "sha256").hexdigest()

    assert nobody.get("/health?nonce=n1").json() == {"ok": True, "release": "r1", "proof": proof}
    assert nobody.get("/version").json()["release"] == "r1"
    assert [nobody.get(path).status_code for path in ("/", "/privacy/", "/terms/", "/support/")] == [200] * 4
    assert nobody.post("/internal/tick").status_code == 403


def test_failing_work_is_named_in_the_answer_and_placed_in_the_log(tmp_path: Path) -> None:
    with running(with_domain(tmp_path)) as product:
        signed_up(product, "anna@example.org").post("/lists/", data={"name": "poison"})
        answer = product.person().post("/internal/tick", headers={"X-Tick-Key": "tick"})

        assert (answer.status_code, answer.json()) == (500, {"failed": ["lists.rules.tell"]})
        lines = product.ended()

    wrong = next(line for line in lines if line["event"] == "tick.failed")
    assert wrong["error"] == "ValueError"
    assert re.search(r"lists/rules\.py:\d+ tell", str(wrong["where"]))
    assert "anna@example.org" not in json.dumps(lines)
    asked = [line for line in lines if line["event"] == "request"]
    assert [line["route"] for line in asked] == ["/signup/", "/signup/", "/lists/", "/internal/tick"]
    assert all({"method", "status", "ms", "request_id"} <= line.keys() for line in asked)


def test_sigterm_lets_a_request_finish(tmp_path: Path) -> None:
    with running(with_domain(tmp_path)) as product, socket.socket(socket.AF_UNIX) as line:
        product.person().get("/health")
        line.settimeout(10)
        line.connect(product.path)
        line.sendall(b"GET /slow/ HTTP/1.1\r\nHost: product\r\n\r\n")
        product.person().get("/health")

        last = product.ended()[-1]
        heard = b"".join(iter(lambda: line.recv(4096), b""))

    assert heard.endswith(b"finished")
    assert str(last["event"]).startswith("Finished server process")


def test_the_domain_s_own_tests_pass_beside_the_house_s(tmp_path: Path) -> None:
    done = in_product(with_domain(tmp_path), "manage.py", "test", "lists")

    assert done.returncode == 0, done.stderr
