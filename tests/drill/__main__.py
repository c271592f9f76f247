"""`python -m tests.drill --profile embedded|full`: kill everything at work, then count. Exit 1 when a promise broke."""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from rich.console import Console
from rich.table import Table

from tests.drill import trouble
from tests.drill.count import Report
from tests.drill.drill import Drill, say
from tests.drill.users import Users, open_account, written
from tests.drill.victims import SECOND, Targets
from tests.flows.owner import Owner
from tests.flows.stack import Stack

FIRST = "I want to know when the script that copies our till data at night stays silent"


def play(said: argparse.Namespace) -> Report:
    """Run one factory through everything, and count."""
    began = time.monotonic()
    report = Report(said.profile, said.lease)
    with ExitStack() as ends:
        folder = Path(
            ends.enter_context(tempfile.TemporaryDirectory(prefix="drill-", ignore_cleanup_errors=True))
        )
        has_own_disk = ends.enter_context(trouble.small_disk(folder, megabytes=4_000))
        lease = {"FACTORY_LEASE_S": str(said.lease)}
        stack = Stack(folder / "home", seed="7:clean", more=lease, profile=said.profile)
        ends.callback(stack.close)
        drill = Drill(stack.start(), Targets(stack), report, random.Random(said.seed))  # noqa: S311 (repeatable)
        if said.profile == "full":
            stack.run("worker-2", *SECOND)
        owner = ends.enter_context(drill.owner())
        try:
            go_through(drill, owner, said, has_own_disk=has_own_disk)
        except AssertionError:
            drill.tell_where_it_stands()
            raise
    report.seconds = time.monotonic() - began
    return report


def go_through(drill: Drill, owner: Owner, said: argparse.Namespace, *, has_own_disk: bool) -> None:
    """Make a product live, put users at it, kill, confuse, wait, count."""
    stack, report = drill.stack, drill.report
    drill.ventures.append(owner.give(FIRST))
    drill.finish()
    (product,) = stack.rows("SELECT id, url, blueprint FROM portfolio_product")
    drill.targets.users_at = urlsplit(product["url"]).port
    app = app_of(product["blueprint"])
    users = Users(product["url"], reports_to=open_account(product["url"], path=f"/{app}/"))
    with users.at_work():
        cut_off, since = cut_one_off(drill, owner) if said.profile == "full" else set(), time.monotonic()
        for _ in range(said.rounds or (2 if said.profile == "full" else 4)):
            for victim in drill.dice.sample(drill.targets.names, len(drill.targets.names)):
                drill.keep_busy(owner)
                time.sleep(drill.dice.uniform(0.1, 2.0))
                drill.kill(victim)
        confuse(drill, owner, has_own_disk=has_own_disk)
        if cut_off:
            time.sleep(max(0.0, said.cut_off - (time.monotonic() - since)))
            trouble.go_on(cut_off)
            drill.note(f"a worker cut off for {time.monotonic() - since:.0f} s came back with its result")
            time.sleep(5)
        drill.finish()
    report.count(stack)
    drill.blame(users)
    found = written(stack.home / "products" / str(UUID(product["id"])) / "db.sqlite3", table=f"{app}_past")
    report.posts_doubled = sum(times > 1 for times in found.values())
    report.posts_lost = sum(one.is_good and one.number not in found for one in users.asked if one.number)
    if report.tasks_stuck or report.books_wrong:
        drill.tell_where_it_stands()


def cut_one_off(drill: Drill, owner: Owner) -> set[int]:
    """Stop a worker of its own with a task in its hands; return its processes once others have taken the task over."""
    drill.stack.run("cut-off", *SECOND, "--at-once", "1")
    for name in ("worker", "worker-2"):
        drill.targets.strike(name)
    held: set[int] = set()
    drill.ventures.append(owner.give(drill.ideas.pop(0)))

    def holds() -> bool:
        held.update(drill.targets.of("cut-off"))
        return bool(drill.torn(held))

    drill.stack.until(holds, what="the worker that will be cut off to hold a task", every_s=0.02)
    trouble.stand_still(held)
    began, torn = time.monotonic(), drill.torn(held)
    drill.targets.start_again("worker")
    drill.targets.start_again("worker-2")
    drill.wait_until_it_goes_on(torn, since=began)
    say(f"  cut off: held {len(torn)} tasks; went on elsewhere after {drill.report.recoveries_s[-1]:.1f} s")
    return held


def confuse(drill: Drill, owner: Owner, *, has_own_disk: bool) -> None:
    """Make every other kind of trouble once, each while something is being done."""
    stack = drill.stack
    spoil_messages(drill, owner)
    drill.keep_busy(owner)
    trouble.lock_database(stack, seconds=25)
    drill.note("database locked for 25 s")
    if has_own_disk:
        drill.keep_busy(owner)
        began = time.monotonic()
        trouble.fill_disk(stack.home, seconds=5)
        drill.full_disk = (began, time.monotonic() + 1)
        drill.note("disk full for 5 s")
    else:
        drill.note("disk NOT filled: only root gives the factory a disk of its own")
    drill.note(f"port taken: {trouble.second_door(stack)}")
    turn_clock(drill, owner)


def spoil_messages(drill: Drill, owner: Owner) -> None:
    """Lose every message while a venture is built, double every message while another one is."""
    if drill.stack.profile != "full":
        drill.note("no messages to lose or to double: one process")
        return
    url = drill.stack.environment["FACTORY_REDIS_URL"]
    for words, spoil in (
        ("lost, Redis flushed", trouble.all_messages_lost),
        ("doubled", trouble.all_messages_doubled),
    ):
        with spoil(url) as spoilt:
            drill.keep_busy(owner)
            drill.finish()
        drill.note(f"all messages {words} for a whole venture ({len(spoilt)})")


def turn_clock(drill: Drill, owner: Owner) -> None:
    """Give one worker a clock that is ahead, then one that is behind, then the right one, each at work."""
    stack, part = drill.stack, "worker" if drill.stack.profile == "full" else "factoryd"
    for skew_s in (300.0, -300.0, 0.0):
        drill.keep_busy(owner)
        drill.targets.clocks[part] = skew_s
        stack.stop(part)
        drill.targets.start_again(part)
        stack.until(stack.answers, what="the pages")
        time.sleep(10 if skew_s else 0)
    drill.note("clock of one worker 5 min ahead, 5 min behind, right again")


def app_of(blueprint: Any) -> str:
    """Return the folder of the product's own part."""
    read = json.loads(blueprint) if isinstance(blueprint, str) else blueprint
    return str(read["core_function"]["app"])


def main() -> None:
    """Run the drill and print what it found."""
    asked = argparse.ArgumentParser(prog="drill", description=__doc__)
    asked.add_argument("--profile", choices=("embedded", "full"), default="embedded")
    asked.add_argument(
        "--rounds", type=int, default=0, help="how often each victim dies; default: at least 24 kills"
    )
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--lease", type=int, default=10, help="seconds")
    asked.add_argument(
        "--cut-off", type=float, default=1_020.0, help="seconds for which a worker stands still"
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Interrupted."))
    report = play(asked.parse_args())
    table = Table(title=f"Drill, {report.profile} profile", show_header=False)
    for row in report.lines():
        table.add_row(*row)
    Console(width=110).print(table)
    sys.stdout.write(report.as_json() + "\n")
    sys.exit(0 if report.is_clean else 1)


if __name__ == "__main__":
    os.environ.setdefault("FACTORY_MODE", "rehearsal")
    main()
