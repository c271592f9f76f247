"""Whoever calls the REST doors, and how a test calls them."""

from typing import Any

from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from core.models import User
from core.services import issue_device_token


def document() -> dict[str, Any]:
    """Return the OpenAPI document as the code makes it now."""
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return made


def device_of(person: User, *, role: str = "") -> Client:
    """Return a device of this person."""
    _, secret = issue_device_token(person, name="phone", role=role, by="test")
    return bearer(secret)


def bearer(secret: str) -> Client:
    """Return whoever holds this token."""
    return Client(headers={"Authorization": f"Bearer {secret}"})


def ask(client: Client, address: str) -> Any:
    """Return the answer to a question at `address` below /api/v1/: `tasks?state=ready`."""
    path, _, query = address.partition("?")
    return client.get(f"/api/v1/{path}/{'?' if query else ''}{query}")


def asked(client: Client, address: str) -> Any:
    """Return what was told."""
    answer = ask(client, address)
    assert answer.status_code == 200, answer.content
    return answer.json()


def call(client: Client, address: str, /, *, once: str = "", **said: Any) -> Any:
    """Return the answer to a verb; `once`: its idempotency key."""
    headers = {"Idempotency-Key": once} if once else {}
    return client.post(f"/api/v1/{address}/", said, content_type="application/json", headers=headers)
