"""`make chaos-money`: random calls, kills, repeats, lies and midnights; then the ledger against the provider's own count.

Threads in processes hold, call a real server that lies as it is told, and settle, by hand or through the gateway; a random
process is killed with SIGKILL again and again; meanwhile caps move, switches are set, and business time is pushed over
midnights and ends of months. Each round ends with a count: what was booked and what passed its bound must be what the provider
billed, except for calls whose cost nobody learned, which stand at their bound. Needs about 3 GB of disk for a million calls.

`python -m bench.chaos_money --calls N`: one database per run, SQLite or the PostgreSQL of FACTORY_DATABASE_URL. Exit code 1:
a promise was broken.
"""

import argparse
import json
import os
import random
import signal
import sys
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

from bench import purse  # first of all: it sets Django up

# isort: split
from django.db import connection
from django.db.models import F, Max, QuerySet, Sum

from agents.gateway.models import Call, ModelEntry
from agents.gateway.services import sync_prices
from bench.spender import PLAYS, PRICES, reach, spend, warm_up
from billing.checks import ledger
from billing.jobs import expire_holds
from billing.models import Entry, Hold, Overage, Scope, Window
from billing.services import clear_switch, open_switches, set_limit, set_switch, settle_orphans
from core.clock import end_of_month
from core.ids import new_id
from core.services import advance_to, business_now, relay_waiting
from tests.faults.client import Faults, faulty_provider

PROCESSES = 3
ROUND = 20_000
"""Calls after which everything is counted; the provider then forgets."""
KILL_S = (0.5, 4.0)
STANDS_IN = 8
"""Windows of every call: its agent's day, the team's, the product's life and day, the task's life, the tier's day, the factory's day and month."""


@dataclass
class Report:
    """What happened, and what was found."""

    calls: int = 0
    through_gateway: int = 0
    kills: int = 0
    refused: int = 0
    repeats: int = 0
    moved_caps: int = 0
    switches: int = 0
    midnights: int = 0
    rounds: int = 0
    away: int = 0
    unknown: int = 0
    unknown_microusd: int = 0
    booked_microusd: int = 0
    overage_microusd: int = 0
    billed_microusd: int = 0
    most_of_a_cap: float = 0.0
    holds_left: int = 0
    broken: list[str] = field(default_factory=list)


def main() -> None:
    """Run rounds until all calls were made, and say whether every promise held."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--calls", type=int, default=1_000_000)
    asked.add_argument("--minutes", type=float, default=24 * 60.0, help="no further call after so long")
    asked.add_argument("--seed", type=int, default=int(time.time()))
    told = asked.parse_args()
    dice, report, began = random.Random(told.seed), Report(), time.monotonic()  # noqa: S311 (dice of a test)
    purse.fresh_ground()
    sync_prices()
    ModelEntry.objects.exclude(provider="openai").update(is_enabled=False)
    listed = Path(os.environ["FACTORY_HOME"]) / "unknown.jsonl"
    with faulty_provider() as faults, listed.open("w") as unknown:
        reach(faults.url)
        warm_up(purse.open_payers(agents=1, products=1, tasks=1, name="warm"), faults.url)
        until = began + told.minutes * 60
        while report.calls < told.calls and time.monotonic() < until:
            faults.reset()
            faults.plan(*PLAYS)
            faults.price(PRICES)
            since = new_id()
            _round(min(ROUND, told.calls - report.calls), faults, dice, report, until=until)
            _count(faults, since, report, unknown)
            _say(f"{report.calls:>9} calls, {report.kills} kills, {time.monotonic() - began:.0f} s")
    _weigh(report)
    _tell(report, seed=told.seed, seconds=time.monotonic() - began, listed=listed)
    sys.exit(1 if report.broken else 0)


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


# ── One round ─────────────────────────────────────────────────────────────────────────────────────
@dataclass
class Child:
    """A process that spends, and the pipe through which it says how each call ended."""

    pid: int
    says: int


def _round(calls: int, faults: Faults, dice: random.Random, report: Report, *, until: float) -> None:
    report.rounds += 1
    payers = purse.open_payers(
        agents=6, products=4, tasks=40, name=f"r{report.rounds}", agent=calls * dice.randrange(40, 150),
        product=calls * dice.randrange(60, 250), task=calls * dice.randrange(8, 40),
    )  # fmt: skip
    left, children = calls, list[Child]()
    kill_at, stir_at = time.monotonic() + dice.uniform(*KILL_S), time.monotonic()
    while left > 0 and time.monotonic() < until:
        while len(children) < PROCESSES:
            children.append(_child(payers, faults.url, seed=dice.getrandbits(60)))
        left -= _hear(children, report)
        if time.monotonic() > kill_at:
            _kill(children.pop(dice.randrange(len(children))), report)
            kill_at = time.monotonic() + dice.uniform(*KILL_S)
        if time.monotonic() > stir_at:
            _stir(payers, dice, report, calls=calls)
            expire_holds()  # as the factory does every few seconds: who was killed must not keep others waiting
            relay_waiting()
            stir_at = time.monotonic() + 0.3
        time.sleep(0.02)
    for child in children:
        _kill(child, report)
    report.calls += calls - left


def _child(payers: purse.Payers, url: str, *, seed: int) -> Child:
    out, into = os.pipe()
    pid = purse.fork(lambda: spend(payers, url, seed=seed, into=into))
    os.close(into)
    os.set_blocking(out, False)
    return Child(pid, out)


def _hear(children: list[Child], report: Report) -> int:
    heard = b""
    for child in children:
        try:
            heard += os.read(child.says, 65_536)
        except BlockingIOError:
            continue
    said = Counter(heard)
    report.refused += said[ord("r")]
    report.repeats += said[ord("2")]
    report.away += said[ord("a")]
    if said[ord("!")]:
        report.broken.append("a spender saw what it must not see; its words stand above")
    return len(heard) - said[ord("2")]


def _kill(child: Child, report: Report) -> None:
    os.kill(child.pid, signal.SIGKILL)
    os.waitpid(child.pid, 0)
    os.close(child.says)
    report.kills += 1


def _stir(payers: purse.Payers, dice: random.Random, report: Report, *, calls: int) -> None:
    """Move a cap, set or clear a switch, push the clock; then look how full the fullest window is."""
    if dice.random() < 0.5:
        scope = Scope.objects.get(pk=dice.choice(payers.tasks + payers.agents))
        period = "life" if scope.kind == "task" else "day"
        set_limit(scope, period=period, cap_microusd=calls * dice.randrange(4, 100))
        report.moved_caps += 1
    for switch in open_switches():
        clear_switch(switch.kind, switch.ref, by="chaos")
    if dice.random() < 0.1:
        agent = Scope.objects.get(pk=dice.choice(payers.agents))
        set_switch(*dice.choice([("agent", agent.ref), ("provider", "northlight"), ("throttle", agent.ref)]), by="chaos", reason="chaos")  # fmt: skip
        report.switches += 1
    if dice.random() < 0.1:
        now = business_now()
        ahead = end_of_month(now) - now if dice.random() < 0.2 else timedelta(hours=dice.uniform(1, 23))
        advance_to(now + ahead - timedelta(seconds=dice.choice((0, 0.2))))
        report.midnights += (now + ahead).date() != now.date()
    taken = (F("spent_microusd") + F("held_microusd")) * 1.0 / F("amount_microusd")
    full = Window.objects.filter(amount_microusd__gt=0).aggregate(most=Max(taken))["most"] or 0.0
    report.most_of_a_cap = max(report.most_of_a_cap, float(full))


# ── The count ─────────────────────────────────────────────────────────────────────────────────────
def _count(faults: Faults, since: UUID, report: Report, unknown: TextIO) -> None:
    """Compare every call of a round, all calls after `since`, with what the provider remembers of it."""
    time.sleep(0.3)  # what was on its way when its sender was killed still arrives
    settle_orphans(is_dead=lambda _: True)
    billed = _billed(faults, since, report)
    booked = Counter(dict(_sums(Entry.objects.filter(call_id__gt=since), "amount_microusd")))
    excess = Counter(dict(_sums(Overage.objects.filter(call_id__gt=since), "excess_microusd")))
    holds = {str(hold.call_id): hold for hold in Hold.objects.filter(call_id__gt=since)}
    report.booked_microusd += booked.total()
    report.overage_microusd += excess.total()
    report.billed_microusd += billed.total()
    for tag in holds.keys() | billed.keys() | booked.keys():
        hold, said = holds.get(tag), booked[tag] + excess[tag]
        if hold and len(set(hold.windows)) != STANDS_IN:
            report.broken.append(f"call {tag} was held in {len(set(hold.windows))} windows of {STANDS_IN}")
        if hold is None:
            report.broken.append(f"call {tag} went out without a hold")
        elif hold.state == Hold.State.EXPIRED:
            report.unknown += 1
            report.unknown_microusd += hold.bound_microusd - billed[tag]
            row = {"call": tag, "bound": hold.bound_microusd, "billed": billed[tag], "model": hold.model}
            unknown.write(json.dumps(row) + "\n")
            if said != hold.bound_microusd:
                report.broken.append(f"unknown call {tag}: {said} booked, its bound is {hold.bound_microusd}")
        elif said != billed[tag]:
            report.broken.append(
                f"call {tag} ({hold.state}, {hold.model}): {said} booked, {billed[tag]} billed"
            )
    report.holds_left = Hold.objects.open().count()


def _billed(faults: Faults, since: UUID, report: Report) -> Counter[str]:
    """Return what the provider billed for each call; the tries of one question come to it in the order of their rows."""
    tries: defaultdict[str, list[str]] = defaultdict(list)
    rows = Call.objects.filter(id__gt=since).order_by("id").values_list("assignment_id", "id")
    for question, call in rows:
        tries[str(question)].append(str(call))
    report.through_gateway += len(rows)
    billed: Counter[str] = Counter()
    for seen in faults.calls():
        mine = tries.get(seen["tag"])
        billed[mine.pop(0) if mine else seen["tag"]] += seen["billed_microusd"]
    return billed


def _sums(rows: QuerySet[Any], column: str) -> list[tuple[str, int]]:
    return [
        (str(call), total) for call, total in rows.values_list("call_id").annotate(Sum(column)).order_by()
    ]


WEIGH = """
select count(*) from billing_window w left join (
  select p.window_id, sum(e.amount_microusd) as total from ({parts}) p join billing_entry e on e.call_id = p.call_id group by p.window_id
) t on t.window_id = w.id
where w.held_microusd <> 0 or w.spent_microusd <> coalesce(t.total, 0) or w.spent_microusd > w.amount_microusd
"""
PARTS = {
    "sqlite": "select h.call_id, one.value as window_id from billing_hold h, json_each(h.windows) one",
    "postgresql": "select h.call_id, one::uuid as window_id from billing_hold h, jsonb_array_elements_text(h.windows) one",
}


def _weigh(report: Report) -> None:
    """Every window must say what the entries of the holds that stand in it say, and the sums of hours the same."""
    with connection.cursor() as cursor:
        cursor.execute(WEIGH.format(parts=PARTS[connection.vendor]))
        wrong = cursor.fetchone()[0]
    if wrong:
        report.broken.append(f"{wrong} windows say something else than their entries")
    if report.holds_left:
        report.broken.append(f"{report.holds_left} holds are left")
    if report.most_of_a_cap > 1:
        report.broken.append("more than a cap was authorised")
    if (found := ledger()).state != "fine":
        report.broken.append(found.words)


def _tell(report: Report, *, seed: int, seconds: float, listed: Path) -> None:
    difference = report.booked_microusd + report.overage_microusd - report.billed_microusd
    if difference != report.unknown_microusd:
        report.broken.append(
            f"the difference is {difference}, unknown calls explain {report.unknown_microusd}"
        )
    database = connection.vendor
    _say(f"""
{database}: {report.calls} calls ({report.through_gateway} through the gateway) in {report.rounds} rounds, {seconds:.0f} s, seed {seed}
  kills {report.kills} · refused {report.refused} · repeated {report.repeats} · caps moved {report.moved_caps} · switches set {report.switches} · midnights {report.midnights} · database away {report.away}
  max((spent + held) / cap)   {report.most_of_a_cap:.6f}
  holds left                  {report.holds_left}
  booked {report.booked_microusd} + above bounds {report.overage_microusd} - provider's count {report.billed_microusd} = {difference} µ$
  {report.unknown} unknown calls: sum of bound - count = {report.unknown_microusd} µ$, each listed in {listed}""")
    for words in report.broken[:20]:
        _say(f"  BROKEN: {words}")
    _say(f"  {'every promise held' if not report.broken else f'{len(report.broken)} promises broken'}")
    _say(json.dumps({"bench": "chaos-money", "database": database, "seed": seed, "seconds": round(seconds), "difference": difference, **asdict(report)}))  # fmt: skip


if __name__ == "__main__":
    main()
