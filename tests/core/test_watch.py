"""The watcher sees what is gone, tells it once over every channel that is there, and once that it is back."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from core.adapters.notices import NoticeFile, Webhook
from core.adapters.processes import process_name
from core.errors import NoticeRefused
from core.models import DueChore, Process
from core.ports import Notices
from core.registry import chores
from core.services import watch as watching
from core.services.watch import Watch, asks

SAID: list[str] = []


class Hook(BaseHTTPRequestHandler):
    """A chat that takes what is posted."""

    def do_POST(self) -> None:
        """Keep the text."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        SAID.append(json.loads(body)["text"])
        self.send_response(500 if "refuse" in self.path else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def chat() -> Iterator[str]:
    """Give the address of a chat."""
    SAID.clear()
    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


class Down:
    """A channel that is down for so many notices."""

    def __init__(self, times: int) -> None:
        self.times, self.taken = times, list[str]()

    def tell(self, text: str) -> None:
        """Take it once the channel is back."""
        if self.times:
            self.times -= 1
            raise NoticeRefused
        self.taken.append(text)


def test_three_misses_in_a_row_are_told_once_and_so_is_their_end(tmp_path: Path, chat: str) -> None:
    answers = iter(["gone", "gone", "", "gone", "gone", "gone", "gone", ""])
    channels: dict[str, Notices] = {"file": NoticeFile(tmp_path / "notices.log"), "webhook": Webhook(chat)}
    watch = Watch({"workers": lambda: next(answers)}, channels=channels, host="alpha")

    counts = []
    for _ in range(8):
        watch.look()
        counts.append(len(SAID))

    assert counts == [0, 0, 0, 0, 0, 1, 1, 2]
    assert "factory on alpha: workers: gone" in SAID[0]
    assert (tmp_path / "notices.log").read_text().splitlines() == SAID


def test_a_channel_that_is_down_gets_its_notices_later_and_holds_no_other_up() -> None:
    late, good = Down(times=2), Down(times=0)
    watch = Watch({"disk": lambda: "full"}, channels={"late": late, "good": good}, host="alpha")

    for _ in range(3):
        watch.look()
    waits = watch.undelivered, len(good.taken), len(late.taken)
    watch.look()
    watch.look()

    assert waits == (1, 1, 0)
    assert (watch.undelivered, good.taken) == (0, late.taken)


def test_a_channel_that_takes_nothing_is_told_over_the_others_and_so_is_its_return() -> None:
    late, good = Down(times=5), Down(times=0)
    watch = Watch(
        {"disk": iter(["full"] * 4 + [""] * 9).__next__}, channels={"late": late, "good": good}, host="alpha"
    )

    for _ in range(9):
        watch.look()

    said = [text.partition("alpha: ")[2] for text in good.taken]
    assert said == [
        "disk: full", "disk: all is well again.", "notices: late takes none; 2 wait.", "notices: all is well again.",
    ]  # fmt: skip
    assert sorted(late.taken) == sorted(good.taken)


def test_an_address_that_answers_with_an_error_did_not_take_it(chat: str) -> None:
    with pytest.raises(NoticeRefused):
        Webhook(f"{chat}refuse").tell("x")
    with pytest.raises(NoticeRefused):
        Webhook("http://127.0.0.1:1/").tell("x")


def test_an_error_and_a_question_that_hangs_are_misses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "ANSWER_S", 1.0)
    over = threading.Event()

    def breaks() -> str:
        raise ConnectionError("no database")

    def hangs() -> str:
        return "" if over.wait(60) else "late"

    watch = Watch({"breaks": breaks, "hangs": hangs, "fine": lambda: ""}, channels={}, host="alpha")
    found = [watch.look(), watch.look()]
    over.set()

    assert found == [{"breaks": "ConnectionError: no database", "hangs": "There was no answer."}] * 2


def ask(name: str) -> str:
    """Ask one thing of this factory."""
    return asks()[name]()


@pytest.mark.django_db
@pytest.mark.parametrize("kinds", [["factoryd"], ["web", "worker"]])
def test_a_factory_that_says_it_lives_is_well_and_one_that_fell_silent_is_not(kinds: list[str]) -> None:
    for kind in kinds:
        Process.objects.create(name=kind, kind=kind)
    quick = next(chore for chore in chores() if chore.every_s <= 15)
    DueChore.objects.create(name=quick.name, due_at=timezone.now())
    well = [ask(name) for name in ("database", "pages", "workers", "clock")]

    long_ago = timezone.now() - timedelta(seconds=31)
    Process.objects.update(seen_at=long_ago)
    DueChore.objects.update(due_at=long_ago)

    assert well == [""] * 4
    assert [bool(ask(name)) for name in ("database", "pages", "workers", "clock")] == [
        False,
        True,
        True,
        True,
    ]


@pytest.mark.drill
def test_a_watcher_of_one_process_tells_that_it_is_gone_and_ends(tmp_path: Path) -> None:
    home = {**os.environ, "FACTORY_HOME": str(tmp_path), "FACTORY_MODE": "rehearsal"}
    home.pop("FACTORY_DATABASE_URL", None)
    home.pop("FACTORY_REDIS_URL", None)
    victim = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    verb = ["factory", "watch", "--every", "0.2", "--of", process_name(victim.pid)]
    command = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), *verb]
    watcher = subprocess.Popen(command, env=home)  # noqa: S603 (ourselves)
    try:
        lives = watcher.poll() is None
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
        code = watcher.wait(timeout=300)
    finally:
        watcher.kill()

    assert (lives, code) == (True, 0)
    assert "workers:" in (tmp_path / "notices.log").read_text()
