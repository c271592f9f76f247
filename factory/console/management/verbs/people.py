"""Verbs of people: who signs in, and how somebody is invited."""

from typing import Annotated

import typer
from django.urls import reverse

from core.models import User
from core.services import invite_person
from factory.console.management.show import AsJson, say, show_rows
from factory.console.management.verbs.entry import app


@app.command()
def people(*, is_json: AsJson = False) -> None:
    """Show who signs in here, and as what."""
    rows = User.objects.order_by("username").values(
        "username", "role", "is_active", "is_simulated", "last_login"
    )
    columns = ("username", "role", "is_active", "is_simulated", "last_login")
    show_rows(
        list(rows),
        columns=columns,
        is_json=is_json,
        none="Nobody yet: `factory invite` makes the first link.",
    )


@app.command()
def invite(
    role: Annotated[User.Role, typer.Argument(help="owner, operator or viewer.")] = User.Role.OWNER,
    *,
    is_json: AsJson = False,
) -> None:
    """Make a one-time link, good for 24 hours, by which somebody becomes owner, operator or viewer."""
    path = reverse("join", args=[invite_person(role=role)])
    say(
        f"Open this page of the factory within 24 hours to join as {role}: {path}", is_json=is_json, path=path
    )
