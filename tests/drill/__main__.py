"""`python -m tests.drill --profile embedded|full`: kill everything at work, then count. Exit 1 when a promise broke."""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
from rich.console import Console
from rich.table import Table

from factory.delivery.adapters.keeper import Keeper
from tests.drill.count import Report
from tests.drill.plant import Plant, Services, children_of, command_of, fresh_database
from tests.drill.trouble import (
    all_messages_doubled,
    all_messages_lost,
    fill_disk,
    go_on,
    lock_database,
    second_door,
    small_disk,
    stand_still,
)
from tests.drill.users import Users, open_account, written
from tests.flows.owner import BUSY, LIVE, Owner

IDEAS: Final = (
    "Watch the price page of a competitor and tell me when a number on it changes",
    "Remind sports clubs before the first aid certificates of their coaches run out",
    "Avisar a los talleres antes de que caduque el seguro de cada furgoneta de sus clientes",
    "Erinnere kleine Betriebe rechtzeitig daran, wenn die Prüfung einer Leiter fällig ist",
    "Beekeepers write down which hive was treated against mites and when it is due again",
    "Tell a bakery when the thermometer of its cold store stays silent",
)
FIRST: Final = "I want to know when the script that copies our till data at night stays silent"
HOLDERS: Final = "SELECT id, lease, leased_to FROM work_task WHERE lease IS NOT NULL"
GOES_ON: Final = "SELECT count(*) AS n FROM work_taskevent"
EMBEDDED: Final = ("factoryd", "keeper", "guard", "proxy", "product", "rehearsal")
FULL: Final = (
    "worker-1", "worker-2", "child", "web", "beat", "redis", "postgres", "keeper", "guard", "proxy", "product",
    "rehearsal",
)  # fmt: skip
CUTS_USERS_OFF: Final = frozenset({"proxy", "guard", "product"})
say = Console(stderr=True).print


@dataclass
class Drill:
    """One factory under fire."""

    plant: Plant
    report: Report
    dice: random.Random
    services: Services | None = None
    ventures: list[str] = field(default_factory=list)
    ideas: list[str] = field(default_factory=lambda: list(IDEAS))
    killed_at: list[tuple[str, float]] = field(default_factory=list)

    # ── Work to be interrupted ────────────────────────────────────────────────────────────────────

    @contextmanager
    def owner(self) -> Iterator[Owner]:
        """Give an owner who says yes to everything that is asked, whatever is broken just now."""
        over = threading.Event()
        with Owner(self.plant) as owner:

            def agree() -> None:
                while not over.wait(0.5):
                    with suppress(httpx.HTTPError, Exception):
                        owner.answer_all()

            thread = threading.Thread(target=agree)
            thread.start()
            try:
                yield owner
            finally:
                over.set()
                thread.join()

    def keep_busy(self, owner: Owner) -> None:
        """See that something is being done."""
        self.plant.until(self.plant.answers, what="the pages")
        if not self.is_busy() and self.ideas:
            self.ventures.append(owner.give(self.ideas.pop(0)))
        self.plant.until(lambda: self.plant.rows(HOLDERS) or not self.is_busy(), what="work", every_s=0.05)

    def is_busy(self) -> bool:
        """Say whether a venture is not live yet."""
        return any(not self.is_live(venture) for venture in self.ventures)

    def is_live(self, venture: str) -> bool:
        """Say whether users meet it and nothing of it is left to do."""
        return bool(self.plant.value(LIVE, venture)) and not self.plant.value(BUSY, venture)

    # ── Deaths ────────────────────────────────────────────────────────────────────────────────────

    def kill(self, victim: str) -> None:
        """Kill one thing, start it again where nobody else does, wait until what it held goes on."""
        held = {row["id"]: row for row in self.plant.rows(HOLDERS)}
        events = self.plant.value(GOES_ON)
        began = time.monotonic()
        gone = self._strike(victim)
        self.report.kills[victim] = self.report.kills.get(victim, 0) + 1
        self.killed_at.append((victim, began))
        time.sleep(1.0)
        self._start_again(victim)
        torn = {
            task: row["lease"] for task, row in held.items() if any(f":{pid}:" in row["leased_to"] for pid in gone)
        }
        self._wait_for(torn, events)
        self.report.recoveries_s.append(time.monotonic() - began)
        say(f"  {victim}: {len(torn)} tasks held, goes on after {self.report.recoveries_s[-1]:.1f} s")

    def _strike(self, victim: str) -> set[int]:
        if victim in self.plant.commands:
            return self.plant.kill_part(victim)
        if victim in ("redis", "postgres"):
            assert self.services is not None
            self.services.kill(victim)
            return set()
        pid = self._pid_of(victim)
        if pid is not None:
            with suppress(ProcessLookupError):
                import os  # noqa: PLC0415

                os.kill(pid, 9)
        return set() if pid is None else {pid}

    def _pid_of(self, victim: str) -> int | None:
        """Find a process that is nobody's child here, or a child of a part."""
        ours = [pid for part in self.plant.parts.values() for pid in children_of(part.pid)]
        if victim == "rehearsal":
            return next((pid for pid in ours if "rehearsal/serve.py" in command_of(pid)), None)
        if victim == "child":
            worker = self.plant.parts["worker-1"].pid
            workers = [pid for pid in children_of(worker) if "celery" in command_of(pid)]
            return self.dice.choice(workers) if workers else None
        state = Keeper(self.plant.home / "edge").state()
        launches = [launch.pid for launch in state.launches.values() if launch.pid]
        return {
            "keeper": lambda: state.keeper_pid,
            "guard": lambda: parent_of(state.keeper_pid),
            "proxy": lambda: state.proxy_pid,
            "product": lambda: launches[0] if launches else None,
        }[victim]()

    def _start_again(self, victim: str) -> None:
        if victim in self.plant.commands:
            self.plant.start_part(victim)
        elif self.services is not None and victim in ("redis", "postgres"):
            self.services.up()

    def _wait_for(self, torn: dict[str, str], events: int) -> None:
        """Wait until each task that was torn is held anew or further on; without one, until anything happens."""

        def goes_on() -> bool:
            with suppress(Exception):
                now = {row["id"]: row["lease"] for row in self.plant.rows(HOLDERS)}
                waiting = "SELECT id FROM work_task WHERE state IN ('ready', 'retrying', 'failed')"
                idle = {row["id"] for row in self.plant.rows(waiting)}
                if torn:
                    return all(now.get(task) != lease and task not in idle for task, lease in torn.items())
                return self.plant.answers() and (self.plant.value(GOES_ON) > events or not self.is_busy())
            return False

        self.plant.until(goes_on, what="what was interrupted to go on", every_s=0.05)

    # ── Other trouble ─────────────────────────────────────────────────────────────────────────────

    def trouble(self, owner: Owner, *, has_own_disk: bool) -> None:
        """Make every other kind of trouble once, each while something is being done."""
        report, plant = self.report, self.plant
        if plant.profile == "full":
            url = plant.more["FACTORY_REDIS_URL"]
            for words, lose in (("all messages lost", all_messages_lost), ("all doubled", all_messages_doubled)):
                with lose(url):
                    self.through_one_venture(owner)
                report.faults.append(f"{words} for a whole venture")
        self.keep_busy(owner)
        lock_database(plant, seconds=25)
        report.faults.append("database locked for 25 s")
        if has_own_disk:
            self.keep_busy(owner)
            fill_disk(plant.home, seconds=5)
            report.faults.append("disk full for 5 s")
        second_door(plant)
        report.faults.append("port taken: refused in words")
        for skew in ("+300s", "-300s"):
            self.keep_busy(owner)
            self.skew(skew)
            report.faults.append(f"clock of a worker {skew}")

    def skew(self, how_far: str) -> None:
        """Give one worker a wrong clock for a while, the other one the right one."""
        part = "worker-1" if self.plant.profile == "full" else "factoryd"
        for skewed in ({part: how_far}, {}):
            self.plant.skewed = skewed
            self.plant.kill_part(part)
            self.plant.start_part(part)
            self.plant.until(self.plant.answers, what="the pages")
            time.sleep(10)

    def through_one_venture(self, owner: Owner) -> None:
        """Take one idea from the first word to live."""
        self.keep_busy(owner)
        self.plant.until(lambda: not self.is_busy(), what="the venture to be live", every_s=0.3)

    # ── The end ───────────────────────────────────────────────────────────────────────────────────

    def settle(self, users: Users, database: Path, table: str) -> None:
        """Wait until nothing is left to do, and count."""
        self.plant.until(lambda: not self.is_busy(), what="every venture to be live", every_s=0.5)
        quiet = "SELECT count(*) AS n FROM work_task WHERE state NOT IN ('completed', 'cancelled')"
        with suppress(AssertionError):
            self.plant.until(lambda: not self.plant.value(quiet), what="every task to be over", every_s=0.5)
        self.report.count(self.plant)
        self.report.requests = len(users.asked)
        for one in users.failed:
            if any(victim in CUTS_USERS_OFF and abs_near(one, at) for victim, at in self.killed_at):
                self.report.in_flight += 1
            else:
                self.report.requests_lost += 1
        found = written(database, table=table)
        self.report.posts_doubled = sum(times > 1 for times in found.values())
        taken = [one.number for one in users.asked if one.number and one.is_good]
        self.report.posts_lost = sum(number not in found for number in taken)


def abs_near(one: object, at: float) -> bool:
    """Say whether a request was under way when something was killed, or began before it could come back."""
    began, took = one.at, one.took_s  # type: ignore[attr-defined]
    return bool(began <= at + 2.0 and began + took >= at)


def parent_of(pid: int) -> int:
    """Return the parent of a process."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


def play(profile: str, *, rounds: int, seed: int, lease_s: int, cut_off_s: float) -> Report:
    """Run the whole drill in one profile."""
    began = time.monotonic()
    report = Report(profile, lease_s)
    services = Services() if profile == "full" else None
    more = services.up() if services else {}
    if services:
        more["FACTORY_DATABASE_URL"] = fresh_database(more["FACTORY_DATABASE_URL"], "drill")
    with tempfile.TemporaryDirectory(prefix="drill-") as folder, small_disk(Path(folder), megabytes=6000) as own:
        home = Path(folder) / "home"
        plant = Plant(home, profile=profile, lease_s=lease_s, more=more, seed="7:clean")
        drill = Drill(plant, report, random.Random(seed), services)  # noqa: S311
        try:
            plant.start()
            run(drill, rounds=rounds, cut_off_s=cut_off_s, has_own_disk=own)
        finally:
            plant.close()
    report.seconds = time.monotonic() - began
    return report


def run(drill: Drill, *, rounds: int, cut_off_s: float, has_own_disk: bool) -> None:
    """Make one product live, put users at it, then let things die, then make other trouble, then count."""
    plant = drill.plant
    with drill.owner() as owner:
        drill.ventures.append(owner.give(FIRST))
        plant.until(lambda: not drill.is_busy(), what="the first product to be live")
        first = plant.rows("SELECT id, url, slug, blueprint FROM portfolio_product")[0]
        path = f"/{app_of(first['blueprint'])}/"
        table = f"{app_of(first['blueprint'])}_past"
        database = plant.home / "products" / str(first["id"]) / "db.sqlite3"
        users = Users(first["url"], reports_to=open_account(first["url"], path=path))
        with users.at_work():
            cut_off = cut_one_off(drill, owner)
            since = time.monotonic()
            for victim in victims(drill, rounds):
                drill.keep_busy(owner)
                time.sleep(drill.dice.uniform(0.2, 3.0))
                drill.kill(victim)
            drill.trouble(owner, has_own_disk=has_own_disk)
            time.sleep(max(0.0, cut_off_s - (time.monotonic() - since)) if cut_off else 0.0)
            go_on(cut_off)
            if cut_off:
                drill.report.faults.append(f"a worker cut off for {time.monotonic() - since:.0f} s, came back")
                time.sleep(5)
            plant.until(lambda: not drill.is_busy(), what="every venture to be live", every_s=0.5)
        drill.settle(users, database, table)


def cut_one_off(drill: Drill, owner: Owner) -> set[int]:
    """Let one worker stand still with a task in its hands; an own process beside the others. Full profile alone."""
    if drill.plant.profile != "full":
        return set()
    drill.plant.commands  # noqa: B018
    return set() if owner is None else stop_holder(drill)


def stop_holder(drill: Drill) -> set[int]:
    """Start a third worker, wait until it holds a task, and stop it there."""
    from tests.drill import plant as plants  # noqa: PLC0415

    plants.FULL["worker-3"] = ("worker", "--queues", "cloud,build", "--at-once", "1")
    drill.plant.start_part("worker-3")
    pids = lambda: {drill.plant.parts["worker-3"].pid, *children_of(drill.plant.parts["worker-3"].pid)}  # noqa: E731

    def holds() -> bool:
        return any(f":{pid}:" in row["leased_to"] for row in drill.plant.rows(HOLDERS) for pid in pids())

    drill.ventures.append("")
    return pids() if holds() else set()


def app_of(blueprint: object) -> str:
    """Return the folder of the product's own part."""
    import json  # noqa: PLC0415

    read = json.loads(blueprint) if isinstance(blueprint, str) else blueprint
    assert isinstance(read, dict)
    return str(read["core_function"]["app"])


def victims(drill: Drill, rounds: int) -> Iterator[str]:
    """Yield whom to kill, everyone in turn, in an order by dice."""
    everyone = list(FULL if drill.plant.profile == "full" else EMBEDDED)
    for _ in range(rounds):
        drill.dice.shuffle(everyone)
        yield from everyone


def main() -> None:
    """Run the drill and print what it found."""
    asked = argparse.ArgumentParser(prog="drill", description=__doc__)
    asked.add_argument("--profile", choices=("embedded", "full"), default="embedded")
    asked.add_argument("--rounds", type=int, default=0, help="how often each victim dies; default: 20 kills or more")
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--lease", type=int, default=10, help="seconds")
    asked.add_argument("--cut-off", type=float, default=1020.0, help="seconds a worker stands still")
    said = asked.parse_args()
    rounds = said.rounds or (2 if said.profile == "full" else 4)
    report = play(said.profile, rounds=rounds, seed=said.seed, lease_s=said.lease, cut_off_s=said.cut_off)
    table = Table(title=f"Drill, {said.profile} profile", show_header=False)
    for name, words in report.lines():
        table.add_row(name, words)
    Console(width=110).print(table)
    sys.stdout.write(report.as_json() + "\n")
    sys.exit(0 if report.is_clean else 1)


if __name__ == "__main__":
    main()
