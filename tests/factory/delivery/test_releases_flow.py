"""Releases of a real product over a real edge, under users who count what they get."""

import http.client
import shutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from core.adapters.tls import trusted
from core.models import AuditRow
from core.registry import Stop
from factory.delivery.adapters.keeper import Keeper
from factory.delivery.models import Place, Release
from factory.delivery.services import put_table, the_edge, url_of, watch_releases
from factory.delivery.services.places import home_of, site_name
from factory.work.services import run_next
from tests.factory.delivery.edge.stage import bearers, kill, until
from tests.factory.delivery.venture import Launch, Venture, packed_tree
from tests.factory.quality.sample import Edit, raw_criteria, write_product

pytestmark = pytest.mark.django_db(transaction=True)
State = Release.State
PROMISES = ("added-is-listed", "empty-is-refused", "list-needs-a-person", "export-has-it", "renew-is-own")
PERIOD_S = 0.2

CHANGED = Edit("templates/house/terms.html", "{% block", "{# another release #}{% block")
POST_FAILS = Edit(
    "certs/pages.py",
    "        form.instance.owner = request.user\n",
    '        raise RuntimeError("only a POST meets this")\n',
)


def may_turn_red(answer: str) -> Edit:
    """Return an edit by which /health says something else once the file `red` stands in the release's folder."""
    line = '    nonce = request.GET.get("nonce", "")[:200]\n'
    wrong = f'{line}    if (settings.BASE_DIR / "red").exists():\n        return JsonResponse({answer})\n'
    return Edit("house/doors.py", line, wrong)


@dataclass
class Users:
    """Ten people with kept connections, together fifty requests a second; every second one is a POST."""

    port: int
    count: int = 10
    seen: list[tuple[str, int]] = field(default_factory=list)
    last: dict[int, str] = field(default_factory=dict)
    enough: threading.Event = field(default_factory=threading.Event)

    def sign_up(self) -> None:
        """Let each of them make an account and one certificate."""
        self.doors = [self._open(user) for user in range(self.count)]

    def _open(self, user: int) -> tuple[dict[str, str], int]:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=20, verify=trusted()
        ) as door:
            door.get("/signup/")
            door.headers["X-CSRFToken"] = door.cookies["csrftoken"]
            email = f"user{user}@example.com"
            assert (
                door.post("/signup/", data={"email": email, "password": "long-enough-7"}).status_code == 302
            )
            door.headers["X-CSRFToken"] = door.cookies["csrftoken"]
            form = {"name": f"of {user}", "due_on": "2030-01-01", "remind_days": "30"}
            made = door.post("/api/certs/", json=form)
            assert made.status_code == 201, made.text
            cookies = "; ".join(f"{name}={value}" for name, value in door.cookies.items())
            head = {"Cookie": cookies, "X-CSRFToken": door.cookies["csrftoken"]}
            return head, made.json()["id"]

    def _use(self, user: int) -> None:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        due, n = time.monotonic() + user * PERIOD_S / self.count, 0
        while not self.enough.wait(max(0.0, due - time.monotonic())):
            self.seen.append(self._ask(link, user, n))
            due, n = max(due + PERIOD_S, time.monotonic() - PERIOD_S), n + 1
        link.close()

    def _ask(self, link: http.client.HTTPConnection, user: int, n: int) -> tuple[str, int]:
        head, cert = self.doors[user]
        method, path, body, day = "GET", "/certs/", "", f"20{31 + n % 60}-05-05"
        if n % 2:
            method, path, body = "POST", f"/certs/{cert}/renew", urlencode({"due_on": day})
        try:
            link.request(method, path, body, {**head, "Content-Type": "application/x-www-form-urlencoded"})
            said = link.getresponse()
            said.read()
        except (OSError, http.client.HTTPException):
            link.close()
            return method, 0
        if method == "POST" and said.status == 302:
            self.last[user] = day
        return method, said.status

    @contextmanager
    def at_work(self) -> Iterator["Users"]:
        """They use the product while the block runs."""
        threads = [threading.Thread(target=self._use, args=(user,)) for user in range(self.count)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self.enough.set()
            for thread in threads:
                thread.join()
            self.enough = threading.Event()

    def meet(self, times: int) -> None:
        """Wait until they got so many more answers."""
        already = len(self.seen)
        until(lambda: len(self.seen) >= already + times)

    @property
    def unpromised(self) -> Counter[tuple[str, int]]:
        """Answers that nobody promised, by method and status; 0 is a broken connection."""
        return Counter(seen for seen in self.seen if seen not in {("GET", 200), ("POST", 302)})


@dataclass
class Shop:
    """A venture whose releases are the sample product, more or less well made."""

    venture: Venture
    folder: Path
    made: int = 0

    def release(self, *edits: Edit) -> bytes:
        """Return the product with these edits, packed."""
        self.made += 1
        tree = write_product(self.folder / f"tree-{self.made}", *edits)
        return packed_tree(tree)

    def bring(self, *edits: Edit) -> Launch:
        """Offer a release, let the owner say yes, and let a worker carry it."""
        launch = self.venture.approved(self.release(*edits))
        assert run_next(worker="w", stop=Stop())
        return launch

    @property
    def url(self) -> str:
        """Where people find the product."""
        return url_of(self.venture.product)

    @property
    def port(self) -> int:
        """Its port."""
        return Place.objects.get(product=self.venture.product).port

    def is_settled(self) -> bool:
        """Return whether all that was asked for is in force."""
        return the_edge().state().sites[site_name(self.venture.product)].settled

    def serves(self) -> str:
        """Return the digest of the release that answers."""
        return str(httpx.get(f"{self.url}/version", trust_env=False, verify=trusted()).json()["release"])

    def days(self) -> dict[str, str]:
        """Return what the database says is due, by certificate."""
        with closing(sqlite3.connect(home_of(self.venture.product).database)) as base:
            return dict(base.execute("SELECT name, due_on FROM certs_cert"))

    def files(self) -> list[str]:
        """Return what stands in the product's folder beside its database."""
        folder = home_of(self.venture.product).folder
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith("db.sqlite3"))

    def people(self) -> int:
        """Return how many accounts the database holds."""
        with closing(sqlite3.connect(home_of(self.venture.product).database)) as base:
            return int(base.execute("SELECT count(*) FROM auth_user").fetchone()[0])


@pytest.fixture
def shop(machine: Path, tmp_path: Path) -> Iterator[Shop]:
    """A product that was never released, and an edge of its own; nothing is left running afterwards."""
    promises = [item for item in raw_criteria() if item["id"] in PROMISES]
    yield Shop(Venture(promises=promises), tmp_path)
    shutil.rmtree(machine / "edge", ignore_errors=True)
    until(lambda: not bearers(str(machine)))


def test_a_release_that_fails_only_on_post_is_refused_and_a_healthy_one_after_it_goes_live_under_load(
    shop: Shop,
) -> None:
    first = shop.bring()
    address, people_before = shop.serves(), shop.people()
    users = Users(shop.port)
    users.sign_up()

    with users.at_work():
        bad = shop.bring(POST_FAILS)
        after_bad = shop.serves()
        good = shop.bring(CHANGED)
        after_good = shop.serves()
        users.meet(25)

    assert users.unpromised == Counter()
    assert (first.release.state, first.state, address) == (State.STANDBY, "completed", first.release.digest)
    assert first.task.attempts.get(state="done").result["url"] == shop.url  # type: ignore[index]
    assert (bad.release.state, bad.state, after_bad) == (State.REFUSED, "dead_letter", first.release.digest)
    assert "POST /certs/ answered 500" in bad.release.why
    assert (good.release.state, good.state, after_good) == (State.LIVE, "completed", good.release.digest)
    assert shop.days() == {f"of {user}": day for user, day in users.last.items()}
    assert (people_before, shop.people()) == (0, users.count)
    assert shop.files() == ["lock", "releases", "secret_key", "tick_key"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ('{"ok": False}, status=503', "/health answers 503."),
        pytest.param(
            '{"ok": True, "release": "another"}',
            "Not this launch: release or proof is wrong.",
            marks=pytest.mark.drill,
        ),
    ],
)
def test_a_release_whose_probe_turns_red_after_the_switch_goes_back_and_no_user_notices(
    shop: Shop, answer: str, why: str
) -> None:
    first = shop.bring()
    users = Users(shop.port)
    users.sign_up()

    with users.at_work():
        second = shop.bring(may_turn_red(answer))
        live, green = watch_releases(), shop.serves()
        users.meet(25)
        (home_of(shop.venture.product).tree_of(second.release.digest) / "red").touch()
        until(lambda: watch_releases() and second.release.state != State.LIVE)
        until(lambda: shop.serves() == first.release.digest)
        users.meet(25)

    assert users.unpromised == Counter()
    assert (live, green) == (1, second.release.digest)
    assert (second.release.state, second.release.why) == (State.ROLLED_BACK, why)
    assert first.release.state == State.LIVE
    assert shop.days() == {f"of {user}": day for user, day in users.last.items()}
    assert AuditRow.objects.filter(verb="delivery.rolled_back", subject=str(second.release)).count() == 1
    until(lambda: len(the_edge().state().launches) == 1)


def test_live_products_answer_while_the_factory_is_dead_and_the_edge_takes_its_table_from_rows_again(
    shop: Shop, machine: Path
) -> None:
    launch = shop.bring()
    edge = Keeper(machine / "edge")
    pid = edge.state().launches[str(edge.state().sites[site_name(shop.venture.product)].stable)].pid

    put_table(the_edge())
    put_table(the_edge())
    same = edge.state().launches
    kill(pid)
    until(lambda: shop_answers(shop))
    again = edge.state()
    shutil.rmtree(machine / "edge")
    until(lambda: not bearers(str(machine / "edge")))
    watch_releases()
    until(lambda: shop_answers(shop))

    assert [one.pid for one in same.values()] == [pid]
    assert [one.crashes for one in again.launches.values()] == [1]
    assert shop.serves() == launch.release.digest
    assert launch.release.state == State.LIVE


def shop_answers(shop: Shop) -> bool:
    """Whether a user gets a page now."""
    try:
        return (
            httpx.get(f"{shop.url}/terms/", trust_env=False, timeout=20, verify=trusted()).status_code == 200
        )
    except httpx.TransportError:
        return False
