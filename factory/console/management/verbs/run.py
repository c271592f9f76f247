"""`factory run`: the whole factory as one service; and its parts as processes of their own."""

import errno
import os
import socket
import sys
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.urls import reverse

from agents.gateway.services import sync_prices
from agents.gateway.services.keys import uncapped_providers
from agents.roster.services import sync_agents
from agents.runtime.services import carry_out
from billing.adapters.pay_secret import pay_secret
from billing.services import settle_orphans, start_small
from core.adapters.database import only_one
from core.adapters.homes import is_opened, open_home
from core.errors import ModeFixed
from core.models import Process, User
from core.registry import QUEUES
from core.services import (
    adopt_database,
    check_settings,
    claim_database,
    found_installation,
    invite_person,
    move_in,
)
from factory.console.management import daemon
from factory.console.management.find import As, actor_of
from factory.console.management.verbs.entry import FAILED, UNAVAILABLE, USAGE, app, stop
from factory.console.management.verbs.keep import close_edge
from factory.console.management.watcher import watched
from factory.delivery.services import put_table, the_edge
from factory.work.services import Loop, recover_dead

SERVED = tuple(name for name in QUEUES if name != "gpu")
Port = Annotated[int, typer.Option(help="Port of the pages; FACTORY_PORT when not given.", min=0, max=65535)]


@app.command()
def run(
    *,
    port: Port = 0,
    is_quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")] = False,
    inherited: Annotated[
        int, typer.Option("--door", hidden=True, help="An open socket that we inherit.")
    ] = -1,
) -> None:
    """Run the factory until SIGTERM or ctrl-C; live products go on when it ends. Source: R-20.2."""
    door = open_door(port) if inherited < 0 else socket.socket(fileno=inherited)
    spare, is_over = door.dup() if settings.REAL_HOME else None, False
    ready = (lambda: None) if is_quiet else (lambda: greet(door.getsockname()[1]))
    with daemon.claim_home(settings.HOME):
        prepare()
        recover()
        open_edge()
        with watched():
            if settings.IS_FULL:
                keep_family(door, ready=ready)
            else:
                loop = Loop(threads=settings.WORKER_THREADS, carry_out=carry_out)
                is_over = daemon.serve(door, loop=loop, ready=ready, is_over=begins_real)
    if is_over and spare is not None:
        run_real(spare, is_quiet=is_quiet)


def begins_real() -> bool:
    """Say whether this rehearsal was told that a key works, so that the real factory takes its place."""
    return settings.MODE == "rehearsal" and settings.REAL_HOME is not None and is_opened(settings.REAL_HOME)


def run_real(door: socket.socket, *, is_quiet: bool) -> NoReturn:
    """Become the real factory, on the same door: nobody who knocks meanwhile is turned away, and no mode is mixed."""
    close_edge()
    connections.close_all()
    door.set_inheritable(True)
    words = ["run", "--door", str(door.fileno()), *(["--quiet"] if is_quiet else [])]
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "factory", *words]
    os.execv(sys.executable, command)  # noqa: S606 (ourselves, no shell)


def keep_family(door: socket.socket, *, ready: Callable[[], None]) -> None:
    """Run web, worker and beat as processes of their own. The door stays open while web is started again."""
    from factory.console.management import family  # noqa: PLC0415 (Celery is loaded where there is a broker)

    connections.close_all()
    members = {
        "web": family.Member(["web", "--door", str(door.fileno())], files=[door.fileno()]),
        "worker": family.Member(["worker"]),
        "beat": family.Member(["beat"]),
    }
    family.keep(members, ready=ready)


@app.command()
def web(
    *,
    port: Port = 0,
    door: Annotated[int, typer.Option(hidden=True, help="An open socket that we inherit.")] = -1,
) -> None:
    """Serve the pages, and nothing else."""
    needs_prepared()
    opened = open_door(port) if door < 0 else socket.socket(fileno=door)
    if door >= 0:
        return daemon.serve_pages(opened, kind=Process.Kind.WEB)
    with daemon.claim_home(settings.HOME, is_shared=True):
        daemon.serve_pages(opened, kind=Process.Kind.WEB)
    return None


@app.command()
def worker(
    *,
    queues: Annotated[str, typer.Option(help="What to carry out, with commas.")] = ",".join(SERVED),
    at_once: Annotated[
        int,
        typer.Option(help="How many tasks at once; FACTORY_WORKER_THREADS when not given.", min=0, max=64),
    ] = 0,
) -> None:
    """Carry out work, together with as many other workers as there are."""
    if strange := set(queues.split(",")) - set(SERVED):
        stop(f"There is no queue {', '.join(sorted(strange))}. Known: {', '.join(SERVED)}.", code=USAGE)
    needs_full()
    needs_prepared()
    recover()
    if "control" in queues.split(","):
        open_edge()
    celery(
        "worker", "-Q", queues, "-c", str(at_once or settings.WORKER_THREADS), "-n", f"worker-{os.getpid()}@%h",
        "--without-gossip", "--without-mingle", "--without-heartbeat",
    )  # fmt: skip


@app.command()
def beat() -> None:
    """Tell the workers every second to look what is due; one on all machines together is enough, more do no harm."""
    needs_full()
    celery("beat")


@app.command()
def edge() -> None:
    """Serve on this machine what is live; it goes on by itself. Safe to run twice."""
    needs_prepared()
    open_edge()


@app.command(name="prepare")
def prepare_once() -> None:
    """Bring the database to this release and load what files say; safe to run twice, also at once."""
    prepare()
    greet(settings.FACTORY_PORT)


@app.command()
def adopt(*, by: As = "") -> None:
    """Make this database this factory's own after its secret key was replaced; nothing else may run on it."""
    adopt_database(by=actor_of(by))
    sys.stdout.write("This database belongs to this factory now.\n")


def prepare() -> None:
    """Bring the database to this release and load what files say; safe to run twice, also at once."""
    with only_one("prepare"):
        if is_behind():
            call_command("migrate", verbosity=0, interactive=False)
        if (found := found_installation(settings.MODE)).mode != settings.MODE:
            raise ModeFixed(made_for=found.mode, wanted=settings.MODE)
        claim_database()
        if settings.MODE == "real":
            begin_real()
        check_settings()
        pay_secret()
        sync_prices(settings.DATA_DIR / "prices.yaml")
        sync_agents(settings.DATA_DIR / "agents")


def begin_real() -> None:
    """Let a real factory begin with the people of its rehearsal and the limit of the first day. Safe to run twice."""
    start_small()
    if settings.REHEARSAL_HOME is not None:
        move_in(settings.REHEARSAL_HOME)
    if settings.MODEL_KEYS:
        open_home(settings.HOME)


def open_door(port: int) -> socket.socket:
    """Return the open socket of the pages, or say why it cannot be had."""
    number = port or settings.FACTORY_PORT
    try:
        return daemon.claim_port(settings.FACTORY_HOST, number)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        stop(
            f"Port {number} is taken by another program."
            if taken
            else f"Port {number} cannot be used: {error}.",
            code=FAILED,
        )


def is_behind() -> bool:
    """Say whether the database is older than this release."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def needs_prepared() -> None:
    """End here while the database is older than this release."""
    if is_behind():
        stop("The database is not ready for this release: run `factory prepare` first.", code=UNAVAILABLE)
    claim_database()


def needs_full() -> None:
    """End here where one process does all."""
    if not settings.IS_FULL:
        stop(
            "Workers need FACTORY_DATABASE_URL and FACTORY_REDIS_URL; without them `factory run` does all in one process.",
            code=USAGE,
        )


def recover() -> None:
    """Give back what processes of this machine held that are no more."""
    settle_orphans()
    recover_dead()


def celery(*words: str) -> NoReturn:
    """Become Celery."""
    quiet = ("-W", "ignore:You're running the worker") if words[0] == "worker" else ()
    os.chdir(settings.BASE_DIR)
    command = [sys.executable, *quiet, "-m", "celery", "--quiet", "-A", "celery_app", *words]
    os.execv(sys.executable, command)  # noqa: S606 (ourselves, no shell)


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
    sys.stdout.write(f"The factory is at {home} ({kind}).\n")
    if settings.MODE == "real" and (without := uncapped_providers()):
        sys.stdout.write(
            f"No monthly cap of its own that we know of: {', '.join(without)} (`factory doctor` says what to do).\n"
        )
    if not User.objects.filter(is_simulated=False, role=User.Role.OWNER).exists():
        sys.stdout.write(
            f"Become its owner, once, within 24 hours: {home}{reverse('join', args=[invite_person()])}\n"
        )
    sys.stdout.flush()
