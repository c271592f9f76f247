"""How soon an open stream ends, and a new call is refused, after a switch that only the database heard of."""

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

import httpx
import pytest

from tests.faults.client import Faults, faulty_provider
from tests.faults.play import Play
from tests.flows.databases import Server, is_full
from tests.flows.servers import own_redis
from tests.flows.stack import Stack
from tests.flows.test_door import ASK, BEGIN

pytestmark = pytest.mark.drill
CUTS, STREAMS = 20, 4
SWITCHES = [
    (["stop"], ["start"], "SELECT stopped_at FROM core_installation"),
    (
        ["switch", "provider", "openai", "off"],
        ["switch", "provider", "openai", "on"],
        "SELECT max(set_at) FROM billing_switch WHERE kind = 'provider'",
    ),
]
"""How to turn off and on, and when it was written."""
LONG = Play(text="word " * 3_000, chunks=3_000, chunk_s=0.1, times=None)
"""Five minutes by itself: what ends before was cut."""


@pytest.fixture
def provider() -> Iterator[Faults]:
    """A provider whose answers are long."""
    with faulty_provider() as faults:
        faults.always(LONG)
        yield faults


@pytest.fixture
def alone(provider: Faults, tmp_path: Path) -> Iterator[Stack]:
    """A real factory of which the pages' process and the database are left: in the full profile Redis is gone too."""
    more = {
        "FACTORY_MODE": "real",
        "OPENAI_API_KEY": "sk-test-1234567890abcdef",
        "OPENAI_BASE_URL": provider.url,
    }
    stack = Stack(tmp_path / "home", more=more)
    if not is_full():
        with closing(stack):
            yield stack.start()
        return
    with own_redis() as bell:
        stack.kept_in = Server.fresh(redis_url=bell.url)
        with closing(stack):
            stack.start()
            stack.kill("worker")
            stack.kill("beat")
            bell.kill()
            yield stack
            bell.start()  # it is emptied when all is over


class Stream(threading.Thread):
    """Listens to one answer in a thread; `ended_at` is when it was over."""

    def __init__(self, stack: Stack, token: str) -> None:
        super().__init__(daemon=True)
        self.url, self.token, self.got, self.ended_at = stack.address, token, b"", 0.0

    def run(self) -> None:
        """Listen to the end."""
        with (
            httpx.Client(
                base_url=self.url, headers={"x-api-key": self.token}, timeout=60, trust_env=False
            ) as client,
            client.stream("POST", "/v1/chat/completions", json={**ASK, "stream": True}) as answer,
        ):
            for part in answer.iter_raw():
                self.got += part
        self.ended_at = time.time()


class Wait(threading.Thread):
    """Looks at the provider until nobody listens there any more; `left_at` is when that was."""

    def __init__(self, provider: Faults) -> None:
        super().__init__(daemon=True)
        self.provider, self.left_at = provider, 0.0

    def run(self) -> None:
        """Look."""
        while self.provider.totals()["open_now"]:
            time.sleep(0.1)
        self.left_at = time.time()


class Knock(threading.Thread):
    """Asks again and again until it is refused; `refused_at` is when that answer came."""

    def __init__(self, stack: Stack, token: str) -> None:
        super().__init__(daemon=True)
        self.url, self.token, self.refused_at = stack.address, token, 0.0

    def run(self) -> None:
        """Count tokens of nothing: a refusal comes before anything is sent."""
        with httpx.Client(
            base_url=self.url, headers={"x-api-key": self.token}, timeout=60, trust_env=False
        ) as client:
            while (
                client.post("/v1/embeddings", json={"model": "gpt-5-mini", "input": "Hi"}).status_code == 200
            ):
                time.sleep(0.05)
        self.refused_at = time.time()


def all_begun(streams: Sequence[Stream]) -> bool:
    """Say whether every answer has begun."""
    return all(one.got for one in streams)


def moment_of(stack: Stack, question: str) -> float:
    """Return the moment that a row tells, by this machine's clock."""
    told = stack.value(question)
    moment = told if isinstance(told, datetime) else datetime.fromisoformat(told).replace(tzinfo=UTC)
    return moment.timestamp()


def test_open_streams_are_cut_and_new_calls_refused_with_only_the_database_alive(
    alone: Stack, provider: Faults, capsys: pytest.CaptureFixture[str]
) -> None:
    token = alone.python(BEGIN.replace("1_000_000", "20_000_000"))
    cuts, refusals, hung_up = [], [], []
    for number in range(CUTS):
        off, on, written = SWITCHES[number % len(SWITCHES)]
        streams, knock = [Stream(alone, token) for _ in range(STREAMS)], Knock(alone, token)
        for one in (*streams, knock):
            one.start()
        alone.until(partial(all_begun, streams), what="open streams", every_s=0.05)

        (wait := Wait(provider)).start()
        assert alone.cli(*off).code == 0
        for one in (*streams, knock, wait):
            one.join(timeout=120)

        assert not any(one.is_alive() for one in (*streams, knock, wait))
        assert all(b"STOPPED" in one.got or b"SWITCH_SET" in one.got for one in streams)
        set_at = moment_of(alone, written)
        cuts += [one.ended_at - set_at for one in streams]
        refusals.append(knock.refused_at - set_at)
        hung_up.append(wait.left_at - set_at)
        assert alone.cli(*on).code == 0

    alone.until(
        lambda: not alone.value("SELECT count(*) FROM billing_hold WHERE state = 'held'"), what="no hold"
    )
    told = {"streams cut": cuts, "new calls refused": refusals, "provider left alone": hung_up}
    with capsys.disabled():
        sys.stdout.writelines(
            f"\n{words}: {len(some)}, median {median(some):.2f} s, slowest {max(some):.2f} s"
            for words, some in told.items()
        )
