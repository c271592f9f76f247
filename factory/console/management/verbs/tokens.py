"""Verbs of tokens: devices and programs of people, and what each may do."""

import sys
from typing import Annotated

import typer

from core.models import DeviceToken
from core.services import issue_device_token, revoke_device_token
from factory.console.management.find import As, actor_of, find_one, find_person, id_and
from factory.console.management.show import AsJson, print_json, say, show_rows
from factory.console.management.verbs.entry import app
from factory.console.management.verbs.work import Id

token = typer.Typer(help="Make a token for a device of a person, and revoke one.")
app.add_typer(token, name="token", no_args_is_help=True)


@app.command()
def tokens(*, is_json: AsJson = False) -> None:
    """Show the tokens of people's devices; the secrets are nowhere."""
    rows = [
        id_and(
            one,
            name=one.name,
            person=one.person.username,
            role=one.role,
            expires_at=one.expires_at,
            revoked_at=one.revoked_at,
            last_used_at=one.last_used_at,
        )
        for one in DeviceToken.objects.select_related("person").order_by("-created_at")
    ]
    columns = ("id", "name", "person", "role", "expires_at", "revoked_at", "last_used_at")
    show_rows(
        rows, columns=columns, is_json=is_json, none="No token yet: `factory token make NAME --as PERSON`."
    )


@token.command()
def make(
    name: Annotated[str, typer.Argument(help="Which device, e.g. phone.")],
    *,
    by: As,
    role: Annotated[str, typer.Option(help="At most the person's own; their own when not given.")] = "",
    days: Annotated[int, typer.Option(min=1, max=90, help="How long it is good.")] = 90,
    is_json: AsJson = False,
) -> None:
    """Make a token for a device of a person; it is told this once."""
    person = find_person(by)
    made, secret = issue_device_token(person, name=name, role=role, days=days, by=actor_of(by))
    if is_json:
        print_json({"id": made.pk, "token": secret})
        return
    sys.stdout.write(f"{secret}\n")
    sys.stderr.write(f"That is the token of {name}; it is stored nowhere and not told again.\n")


@token.command()
def revoke(wanted: Id, *, by: As = "", is_json: AsJson = False) -> None:
    """Let a device in no more, from its next call on."""
    one = find_one(DeviceToken.objects.all(), wanted, noun="token")
    revoke_device_token(one.pk, by=actor_of(by))
    say(f"{one.name} is shut out.", is_json=is_json, token=one.pk)
