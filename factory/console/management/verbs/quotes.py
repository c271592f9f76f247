"""`factory quote` and `factory quotes`: what builds are expected to cost, beside what they did cost."""

from dataclasses import asdict
from typing import Annotated

import typer

from factory.console.management.show import AsJson, print_json, say, show_rows, usd
from factory.console.management.verbs.entry import NOT_FOUND, app, stop
from factory.console.management.verbs.pause import product_of
from factory.console.rules.quotes import days_in_words
from factory.pipeline.rules.quote import in_hours
from factory.pipeline.services.quotes import Held, held_against, last_quote, months_planned


@app.command()
def quote(
    slug: Annotated[str, typer.Argument(help="The product's name in its address.")],
    *,
    is_json: AsJson = False,
) -> None:
    """Show what a venture's build is expected to cost, part by part, beside what it did cost."""
    product = product_of(slug)
    found = last_quote(product)
    if found is None:
        stop(
            f"{product.name} has no quote yet: it is made when you are asked whether to build.",
            code=NOT_FOUND,
        )
    rows = [_row(line) for line in held_against(found)]
    whole = {
        "from_usd": usd(found.cost.least),
        "to_usd": usd(found.cost.most),
        "stop_usd": usd(found.stop_microusd),
        "work": f"{in_hours(found.low_s)} to {in_hours(found.high_s)}",
        "at_this_limit": days_in_words(found.day_cap_microusd, found.cost),
        "basis": found.get_basis_display(),
        "mode": found.mode,
    }
    if is_json:
        print_json({"product": slug, **whole, "parts": rows, "unknown": found.unknown})
        return
    show_rows(
        rows, columns=("part", "agent", "model", "from_usd", "to_usd", "spent_usd"), is_json=False, none=""
    )
    show_rows([whole], columns=tuple(whole), is_json=False, none="")


def _row(line: Held) -> dict[str, object]:
    return {
        "part": line.part.name,
        "agent": line.part.agent,
        "model": line.part.model,
        "from_usd": usd(line.part.low_microusd),
        "to_usd": usd(line.part.high_microusd),
        "spent_usd": usd(line.spent.cost_microusd) if line.spent else None,
    }


@app.command()
def quotes(*, is_json: AsJson = False) -> None:
    """Show plan and actual of all builds, month by month."""
    months = months_planned()
    if is_json:
        print_json([asdict(one) for one in months])
        return
    rows = [
        {
            "month": f"{one.month:%Y-%m}",
            "builds": one.builds,
            "from_usd": usd(one.low_microusd),
            "to_usd": usd(one.high_microusd),
            "actual_usd": usd(one.actual_microusd),
            "rehearsed": one.is_rehearsed,
        }
        for one in months
    ]
    columns = ("month", "builds", "from_usd", "to_usd", "actual_usd", "rehearsed")
    show_rows(rows, columns=columns, is_json=False, none="No build was begun yet.")
    if months:
        say("A quote counts in the month in which it was made; what was spent later counts there too.")
