"""A real server on a free port, and a real browser before it."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import uvicorn
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from core.models import User
from factory.asgi import application
from tests.factory.console.story import Story, a_story

os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = (
    "1"  # the browser's driver keeps a loop in this thread; rows are read between its steps
)
CHROMIUM = "/usr/bin/chromium"
PHONE, DESK = 390, 1280
SignIn = Callable[..., BrowserContext]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs a browser; the ASGI server's own warnings are not what is tested."""
    for item in items:
        if "/e2e/" in str(item.path):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless browser."""
    with sync_playwright() as tool:
        browser = tool.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture
def site(transactional_db: None) -> Iterator[str]:
    """The factory served from this process, on the test's own database: its address."""
    with closing(socket.create_server(("127.0.0.1", 0))) as door:
        server = uvicorn.Server(
            uvicorn.Config(application, lifespan="off", log_config=None, ws="websockets-sansio")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        server.should_exit = True
        thread.join(timeout=20)


@pytest.fixture
def story(transactional_db: None) -> Story:
    """A filled factory."""
    return a_story()


@pytest.fixture
def sign_in(chromium: Browser, site: str) -> Iterator[SignIn]:
    """Open a browser of one's own, signed in as this person: `sign_in(owner, width=390, scripts=False, scheme="dark")`."""
    opened = []

    def open_as(
        person: User, *, width: int = PHONE, scheme: str = "light", scripts: bool = True
    ) -> BrowserContext:
        context = chromium.new_context(
            base_url=site, viewport={"width": width, "height": 844}, color_scheme=scheme,  # type: ignore[arg-type]
            java_script_enabled=scripts, reduced_motion="reduce",
        )  # fmt: skip
        context.set_default_timeout(15_000)
        client = Client()
        client.force_login(person)
        context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": site}])
        opened.append(context)
        return context

    yield open_as
    for context in opened:
        context.close()
