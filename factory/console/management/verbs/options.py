"""`factory settings` and `factory set`: what an owner may set by hand while the factory runs."""

from typing import Annotated

import typer

from core.models import SettingValue
from core.registry import SETTINGS, find_setting
from core.services import change_setting, revert_setting, settings_in_force
from factory.console.management.find import As, actor_of
from factory.console.management.show import AsJson, say, show_rows
from factory.console.management.verbs.entry import app

Key = Annotated[str, typer.Argument(help="The setting's name, as `factory settings` tells it.")]


@app.command(name="settings")
def list_settings(*, is_json: AsJson = False) -> None:
    """Show every setting: its value, its range, what it does. What stands in the environment is not among them."""
    values = settings_in_force()
    rows = [
        {
            "name": known.key,
            "value": values[known.key],
            "means": known.in_words(values[known.key]),
            "may_be": known.range_words,
            "default": known.default,
            "does": known.words,
            "source": known.source,
        }
        for known in SETTINGS.values()
    ]
    show_rows(rows, columns=("name", "means", "may_be", "does"), is_json=is_json, none="")


@app.command(name="setting")
def one_setting(key: Key, *, is_json: AsJson = False) -> None:
    """Show every value one setting ever had, who gave it and why; the last first."""
    find_setting(key)
    rows = SettingValue.objects.of(key).values("version", "at", "by", "old", "value", "why")
    columns = ("version", "at", "by", "old", "value", "why")
    show_rows(list(rows), columns=columns, is_json=is_json, none="It was never changed.")


@app.command(name="set")
def set_value(
    key: Key,
    value: Annotated[str, typer.Argument(help="The new value.")],
    *,
    why: Annotated[str, typer.Option(help="Why.")] = "",
    by: As = "",
    is_json: AsJson = False,
) -> None:
    """Change a setting; the old value is kept and `factory unset` brings it back."""
    row = change_setting(key, value, by=actor_of(by), why=why)
    known = find_setting(key)
    said = f"{known.label}: {known.in_words(row.value)}." if row else f"{known.label} was so already."
    say(said, is_json=is_json, setting=key, version=row.version if row else None)


@app.command(name="unset")
def put_back(
    key: Key,
    *,
    to_version: Annotated[int, typer.Option("--to", min=0, help="Which version; 0 is the default.")] = 0,
    by: As = "",
    is_json: AsJson = False,
) -> None:
    """Put back what a setting was at a version."""
    revert_setting(key, to_version=to_version, by=actor_of(by))
    say(f"{find_setting(key).label} is as it was at version {to_version}.", is_json=is_json, setting=key)
