"""The models' door served from this process, and providers on loopback behind it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
import uvicorn
from django.utils import timezone

from agents.gateway.models import Provider
from agents.gateway.services import sync_prices
from agents.gateway.services.sessions import make_session_token
from agents.roster.models import Agent
from core.adapters.tls import trusted
from core.registry import Assignment
from core.services import found_installation
from factory.asgi import application
from tests.builders import an_agent, an_assignment
from tests.faults.client import Faults, faulty_provider

KEYS = {"openai": "sk-test-openai-1234567890", "anthropic": "sk-ant-test-1234567890"}
DOLLAR = 1_000_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The ASGI server's own warnings are not what is tested."""
    for item in items:
        if "/gateway/door/" in str(item.path):
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture(scope="session")
def provider_process() -> Iterator[Faults]:
    """One fault server for all tests of this process."""
    with faulty_provider() as faults:
        yield faults


@pytest.fixture
def faults(transactional_db: None, settings: Any, provider_process: Faults) -> Faults:
    """A real factory whose providers are one local server."""
    settings.MODEL_KEYS = dict(KEYS)
    found_installation("real")
    sync_prices()
    Provider.objects.update(base_url=provider_process.url)
    provider_process.reset()
    return provider_process


@pytest.fixture
def site(transactional_db: None) -> Iterator[str]:
    """The factory served from this process, on the test's own database: its address."""
    with closing(socket.create_server(("127.0.0.1", 0))) as door:
        server = uvicorn.Server(
            uvicorn.Config(
                application, lifespan="off", log_config=None, ws="none", timeout_graceful_shutdown=2
            )
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        server.should_exit = True
        thread.join(timeout=20)


@dataclass(frozen=True)
class Run:
    """One run of an engine: who works, on what, and how it knocks."""

    agent: Agent
    assignment: Assignment
    token: str
    site: str

    def post(self, path: str, **body: Any) -> httpx.Response:
        """Ask at this door."""
        return httpx.post(
            f"{self.site}{path}",
            json=body,
            headers=self.headers,
            timeout=60,
            trust_env=False,
            verify=trusted(),
        )

    @property
    def headers(self) -> dict[str, str]:
        """What says who asks."""
        return {"authorization": f"Bearer {self.token}"}


Begin = Callable[..., Run]


@pytest.fixture
def begin(faults: Faults, site: str) -> Begin:
    """Begin a run of an engine: `begin(cap_microusd=DOLLAR, models=("gpt-5.2",))`."""

    def make(*, agent: Agent | None = None, assignment: Assignment | None = None, **said: Any) -> Run:
        agent = agent or an_agent()
        assignment = assignment or an_assignment(agent)
        given = {"cap_microusd": DOLLAR, "expires_at": timezone.now() + timedelta(hours=1), **said}
        return Run(agent, assignment, make_session_token(assignment, **given), site)

    return make
