"""`factory watch`: a small process beside the factory that tells when a part of it is gone."""

from typing import Annotated

import typer

from core.services.watch import LOOK_S
from factory.console.management.show import AsJson, print_json, show_rows
from factory.console.management.verbs.entry import FAILED, app
from factory.console.management.watcher import keep_watching, the_watch


@app.command()
def watch(
    *,
    is_once: Annotated[
        bool, typer.Option("--once", help="Look once, say what is wrong, tell nobody.")
    ] = False,
    of: Annotated[str, typer.Option(hidden=True, help="The process with which it ends.")] = "",
    look_s: Annotated[float, typer.Option("--every", min=0.1, help="Seconds from look to look.")] = LOOK_S,
    is_json: AsJson = False,
) -> None:
    """Look every 30 seconds whether database, pages, workers, clock and disk are there; three misses are told. Source: R-08.21."""
    if not is_once:
        return keep_watching(the_watch(), of=of, look_s=look_s)
    wrong = the_watch().look()
    rows = [{"what": name, "wrong": words} for name, words in wrong.items()]
    if is_json:
        print_json(rows)
    else:
        show_rows(rows, columns=("what", "wrong"), is_json=False, none="All is well.")
    raise SystemExit(FAILED if wrong else 0)
