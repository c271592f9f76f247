"""Sockets of open pages: whom they let in, and what they say."""

import asyncio
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.test import Client

from core.services import found_installation
from factory.asgi import application
from tests.builders import a_user

pytestmark = pytest.mark.django_db(transaction=True)
HERE = b"http://localhost"


def session_of(client: Client) -> bytes:
    return f"sessionid={client.cookies['sessionid'].value}".encode() if client.cookies else b""


_Socket: Any = ApplicationCommunicator
"""It says nothing of its types."""


def spoken(address: str, *, cookie: bytes = b"", origin: bytes = HERE) -> list[Any]:
    """Return whether the door opened, then the first thing that came."""

    async def talk() -> list[Any]:
        path, _, query = address.partition("?")
        scope = {
            "type": "websocket", "path": path, "query_string": query.encode(), "subprotocols": [],
            "headers": [(b"origin", origin), (b"host", b"localhost"), (b"cookie", cookie)],
        }  # fmt: skip
        socket: Any = _Socket(application, scope)
        await socket.send_input({"type": "websocket.connect"})
        door = await socket.receive_output(timeout=10)
        first = await socket.receive_output(timeout=10) if door["type"] == "websocket.accept" else {}
        if first.get("type") == "websocket.send":
            await socket.send_input({"type": "websocket.disconnect", "code": 1000})
            await socket.wait(timeout=10)
        return [door["type"] == "websocket.accept", first]

    return asyncio.run(talk())


@pytest.fixture
def signed_in() -> Client:
    """Return the browser of somebody who is signed in."""
    found_installation("rehearsal")
    client = Client()
    client.force_login(a_user(name="ada"))
    return client


def test_who_is_signed_in_hears_a_beat_with_the_time(signed_in: Client) -> None:
    is_open, first = spoken("/live/?t=home&t=work", cookie=session_of(signed_in))

    assert is_open
    assert '"at"' in first["text"]


def test_a_stranger_is_told_to_sign_in(signed_in: Client) -> None:
    _, first = spoken("/live/?t=home")

    assert first["code"] == 4401


def test_who_signed_out_is_a_stranger(signed_in: Client) -> None:
    cookie = session_of(signed_in)
    signed_in.post("/logout/")

    _, first = spoken("/live/?t=home", cookie=cookie)

    assert first["code"] == 4401


def test_a_page_of_another_site_is_not_let_in(signed_in: Client) -> None:
    is_open, _ = spoken("/live/?t=home", cookie=session_of(signed_in), origin=b"https://evil.example")

    assert not is_open


def test_what_is_no_topic_cannot_be_heard(signed_in: Client) -> None:
    _, first = spoken("/live/?t=everything", cookie=session_of(signed_in))

    assert first["code"] == 4400
