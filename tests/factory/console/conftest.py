"""Who looks at the pages."""

import pytest
from django.test import Client

from core.models import User
from core.services import found_installation
from tests.builders import a_user


@pytest.fixture
def stranger(db: None) -> Client:
    """Return a browser that nobody signed in with."""
    found_installation("rehearsal")
    return Client()


def _signed_in(role: str) -> Client:
    client = Client()
    client.force_login(a_user(role=role, name=f"the-{role}"))
    return client


@pytest.fixture
def owner(stranger: Client) -> Client:
    """Return the owner's browser."""
    return _signed_in(User.Role.OWNER)


@pytest.fixture
def operator(stranger: Client) -> Client:
    """Return an operator's browser."""
    return _signed_in(User.Role.OPERATOR)


@pytest.fixture
def viewer(stranger: Client) -> Client:
    """Return a viewer's browser."""
    return _signed_in(User.Role.VIEWER)
