"""`factory run`: the whole factory as one service."""

import errno
import sys
from datetime import timedelta
from typing import Annotated

import typer
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.urls import reverse

from agents.gateway.services import sync_prices
from agents.roster.services import sync_agents
from agents.runtime.services import carry_out
from billing.adapters.pay_secret import pay_secret
from billing.services import settle_orphans
from core.models import User
from core.services import check_settings, found_installation, invite_person
from factory.console.management import daemon
from factory.console.management.verbs.entry import app, stop
from factory.delivery.services import put_table, the_edge
from factory.work.services import Loop, recover_at_boot

INVITED_FOR = timedelta(hours=24)


@app.command()
def run(
    *,
    port: Annotated[
        int, typer.Option(help="Port of the pages; FACTORY_PORT when not given.", min=0, max=65535)
    ] = 0,
    is_quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")] = False,
) -> None:
    """Run the factory until SIGTERM or ctrl-C; live products go on when it ends."""
    number = port or settings.FACTORY_PORT
    try:
        door = daemon.claim_port(settings.FACTORY_HOST, number)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        stop(
            f"Port {number} is taken by another program."
            if taken
            else f"Port {number} cannot be used: {error}.",
            code=1,
        )
    with daemon.claim_home(settings.HOME):
        prepare()
        settle_orphans()
        recover_at_boot()
        open_edge()
        loop = Loop(threads=settings.WORKER_THREADS, carry_out=carry_out)
        daemon.serve(door, loop=loop, ready=lambda: None if is_quiet else greet(number))


def prepare() -> None:
    """Bring the database to this release and load what files say; safe to run twice."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", verbosity=0, interactive=False)
    found_installation(settings.MODE)
    check_settings()
    pay_secret()
    sync_prices(settings.DATA_DIR / "prices.yaml")
    sync_agents(settings.DATA_DIR / "agents")


def open_edge() -> None:
    """Start the edge unless it runs, and tell it what the rows say."""
    edge = the_edge()
    edge.ensure()
    put_table(edge)


def greet(port: int) -> None:
    """Say where the pages are, and at the first start how to become the owner."""
    home = f"http://localhost:{port}"
    kind = (
        "a rehearsal: no model key was found, every result is invented"
        if settings.MODE == "rehearsal"
        else "real"
    )
    sys.stdout.write(f"The factory runs at {home} ({kind}).\n")
    if not User.objects.filter(is_simulated=False, role=User.Role.OWNER).exists():
        sys.stdout.write(
            f"Become its owner, once, within 24 hours: {home}{reverse('join', args=[invite_person()])}\n"
        )
    sys.stdout.flush()
