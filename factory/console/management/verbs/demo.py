"""`factory demo`: the main job from signals to a live, earning product, in rehearsal and through the front doors."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from django.conf import settings
from django.db import connection
from django.urls import reverse
from rich.console import Console

from billing.adapters.pay_secret import pay_secret
from core.adapters.database import forget_rows
from core.adapters.tls import trusted
from core.services import advance_to, business_now, invite_person, start_clock_at
from factory.console.management.daemon import LOCK, claim_home, claim_port
from factory.console.management.progress import Progress
from factory.console.management.simulated import Owner, hire_owner, outside, until
from factory.console.management.summary import last_line, stage_table, summary_of
from factory.console.management.verbs.entry import USAGE, app, stop
from factory.console.management.verbs.give import begin
from factory.console.management.verbs.keep import close_edge
from factory.console.management.verbs.run import prepare
from factory.pipeline.adapters.references import reference
from factory.pipeline.rules.idea import read_idea
from factory.pipeline.services import scan_file
from factory.quality.models import Finding
from factory.work.models import DeadLetter
from portfolio.models import Opportunity, Product

SIGNALS = "signals.jsonl"
BEGINS = datetime(2026, 9, 30, 9, tzinfo=UTC)
LONGEST_S = 300
KEPT = frozenset({"secret_key", LOCK})


@app.command()
def demo(
    *,
    idea: Annotated[str, typer.Option(help="Your idea instead of the signals.")] = "",
    product: Annotated[str, typer.Option(help="A reference product, e.g. cronpilot.")] = "",
    is_fresh: Annotated[bool, typer.Option("--fresh", help="Forget the demo before.")] = False,
    ends: Annotated[bool, typer.Option("--exit", help="End after the summary also at a terminal.")] = False,
) -> None:
    """Carry one idea from signals to a live product, in rehearsal; nothing is spent."""
    if settings.MODE != "rehearsal":
        stop(
            "The demo only runs in rehearsal: set FACTORY_MODE=rehearsal and a FACTORY_HOME of its own.",
            code=1,
        )
    check_wish(idea, product)
    check_database()
    with claim_home(settings.HOME):  # an earlier demo may still be up
        if is_fresh:
            forget()
    began = time.monotonic()
    prepare()
    start_clock_at(BEGINS)
    try:
        with factoryd() as address, Owner(address, password=hire_owner()):
            venture = open_venture(idea, product)
            follow(venture)
            sell(venture, address)
            venture.refresh_from_db()
            report(venture, seconds=time.monotonic() - began)
            if sys.stdout.isatty() and not ends:
                linger(venture, address)
    finally:
        close_edge()


def check_wish(idea: str, product: str) -> None:
    """Refuse what cannot be begun before anything is started."""
    if product:
        reference(product)
    elif idea or "--idea" in sys.argv:
        read_idea(idea)


def check_database() -> None:
    """Refuse a server's database that may be somebody's: the demo empties its own."""
    if connection.vendor == "postgresql" and not connection.settings_dict["NAME"].endswith("_demo"):
        stop(
            "The demo empties its database: name one in FACTORY_DATABASE_URL that ends with _demo.",
            code=USAGE,
        )


def forget() -> None:
    """Remove the demo before: its products, its database, its files; nothing outside the demo's own home."""
    close_edge()
    forget_rows()
    for path in Path(settings.HOME).iterdir():
        if path.name in KEPT:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextmanager
def factoryd() -> Iterator[str]:
    """Run the factory as `factory run` does, on a free port; give its address; end it afterwards."""
    with claim_port("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    log = (Path(settings.HOME) / "factoryd.log").open("ab")
    command = [
        sys.executable,
        str(settings.BASE_DIR / "manage.py"),
        "factory",
        "run",
        "--quiet",
        "--port",
        str(port),
    ]
    environment = {**os.environ, "FACTORY_HOME": str(settings.HOME), "FACTORY_MODE": "rehearsal"}
    child = subprocess.Popen(command, stdout=log, stderr=log, env=environment)  # noqa: S603 (our own command)
    address = f"http://127.0.0.1:{port}"
    try:
        if (
            not until(lambda: answers(address) or child.poll() is not None, at_most_s=60)
            or child.poll() is not None
        ):
            stop(f"The factory did not start; its last words stand in {log.name}.", code=1)
        yield address
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(timeout=40)
        log.close()


def answers(address: str) -> bool:
    """Say whether the pages answer."""
    try:
        return (
            httpx.get(f"{address}/login/", timeout=5, trust_env=False, verify=trusted()).status_code
            == httpx.codes.OK
        )
    except httpx.TransportError:
        return False


def open_venture(idea: str, product: str) -> Product:
    """Begin with the idea, the reference product, or the best of the shipped signals."""
    if idea or product:
        return begin(idea, product=product)
    say("SCAN     the factory: Read and group the signals")
    scan = scan_file(settings.DATA_DIR / SIGNALS)
    say(f"SCAN     the factory: {scan.signals_read} signals, {scan.opportunity_set.count()} opportunities")
    venture = Product.objects.order_by("created_at").first()
    if venture is None:
        best = Opportunity.objects.standing().exclude(points=None).order_by("-points").first()
        stop(f"No opportunity reached 60 points; the best is {best.title if best else 'none'}.", code=1)
    return venture


def say(line: str) -> None:
    """Print one line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def follow(venture: Product) -> None:
    """Show how the work goes on until users meet the product, or say why they do not."""
    with Progress(venture) as progress:
        ended = until(lambda: progress.look() or is_over(venture), at_most_s=LONGEST_S, every_s=0.25)
    if why := what_stopped(venture):
        write_summary(venture)
        stop(why, code=1)
    if not ended:
        stop(f"{venture.name} was not live after {LONGEST_S} s.", code=1)


def what_stopped(venture: Product) -> str:
    """Say in a sentence at which step the work was given up, and what Hawk found; "" while it was not."""
    open_letters = DeadLetter.objects.filter(task__dag__product=venture, resolution="")
    letter = open_letters.select_related("task").first()
    if letter is None:
        return ""
    said = f"{venture.name} stopped at “{letter.task.title}”: {letter.error.strip().splitlines()[-1]}"
    found = Finding.objects.of(venture).blocking().filter(is_fixed=False).last()
    return (
        f"{said} Hawk's finding stands: {found.file}:{found.line} {found.text.splitlines()[0][:200]}"
        if found
        else said
    )


def is_over(venture: Product) -> bool:
    """Say whether users meet the product, or somebody has to look."""
    venture.refresh_from_db()
    return (
        venture.stage == Product.Stage.GROW or DeadLetter.objects.filter(task__dag__product=venture).exists()
    )


@dataclass(frozen=True)
class Sale:
    """One thing that happens in the market: a day after the launch, a customer's payment, or its refund."""

    day: int
    customer: int
    plan: int
    kind: str = "payment"


SALES = (Sale(0, 1, 0), Sale(0, 2, 1), Sale(3, 3, 0), Sale(5, 2, 1, "refund"))


def sell(venture: Product, address: str) -> None:
    """Let simulated customers use and pay, and the processor tell it; business time goes from event to event."""
    launched = business_now()
    plans = venture.blueprint["prices"]
    for number, sale in enumerate(SALES, start=1):
        advance_to(launched + timedelta(days=sale.day))
        plan = plans[min(sale.plan, len(plans) - 1)]
        if sale.kind == "payment":
            did = outside(
                {"do": "buy", "product_url": venture.url, "plan": plan["plan"], "number": sale.customer}
            )
            if max(did.values()) >= httpx.codes.BAD_REQUEST:
                stop(f"A simulated customer could not buy: {did}.", code=1)
        message = {
            "id": f"evt_{number}", "type": sale.kind, "amount": plan["usd_month"] * 100, "currency": "usd",
            "product": venture.slug, "created": int(time.time()),
        }  # fmt: skip
        order = {"do": "pay", "hook_url": f"{address}/hooks/pay/", "secret": pay_secret(), "message": message}
        if outside(order)["status"] != httpx.codes.OK:
            stop("The door for payments refused a signed message.", code=1)


def write_summary(venture: Product, *, seconds: float | None = None) -> dict[str, Any]:
    """Write how far the venture came to `summary.json`; nothing before there is an approved blueprint."""
    if not venture.blueprint:
        return {}
    summary = summary_of(venture, seconds=seconds)
    (Path(settings.HOME) / "summary.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False))
    return summary


def report(venture: Product, *, seconds: float) -> None:
    """Write the summary, print it as a table, and its last line."""
    summary = write_summary(venture, seconds=seconds)
    Console().print(stage_table(summary))
    sys.stdout.write(
        "This was a rehearsal: models, customers and payments were invented, and nothing was spent.\n"
    )
    sys.stdout.write(f"{last_line(summary)}\n")
    sys.stdout.flush()


def linger(venture: Product, address: str) -> None:
    """Keep everything up until ctrl-C."""
    pages = f"{address}{reverse('join', args=[invite_person()])}"
    sys.stdout.write(
        f"Try the product at {venture.url}; see the factory as its owner at {pages}\nCtrl-C ends both.\n"
    )
    sys.stdout.flush()
    try:
        signal.pause()
    except KeyboardInterrupt:
        sys.stdout.write("\n")
