"""`make bench-money`: what a cap of one dollar lets through, ours beside others', and what a hold costs.

200 calls of two cents at once against a real server that takes a while and counts what it billed; then holds and
settlements per second with the full schema. One database per run: SQLite, or the PostgreSQL of FACTORY_DATABASE_URL.
"""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from django.db import connection

from bench import purse
from billing.errors import BudgetBusy, BudgetExceeded
from billing.models import Entry
from billing.services import capture_hold, place_hold
from core.ids import new_id
from tests.faults.client import Faults, faulty_provider
from tests.faults.play import Play

CAP = 1_000_000
CALLS = 200
COST = 20_000
BOUND = 24_000
"""What a careful bound says of a call that costs two cents: a fifth more."""
TOKENS = {"prompt": 1_666, "completion": 1_000}
"""1,666 × 3 + 1,000 × 15 micro-dollars: two cents, less two."""
PATIENCE_S = 30
_LITELLM = Path(__file__).with_name("litellm_caps.py")


def main() -> None:
    """Print one table and one line of JSON."""
    database = connection.vendor
    purse.fresh_ground()
    rows = [_ours()]
    if "--holds-only" not in sys.argv and database == "sqlite":
        rows += [_book_afterwards(), *_litellm()]
    _show(rows)
    seconds = float(os.environ.get("BENCH_SECONDS", "6"))
    speeds = [_speed(processes, seconds=seconds) for processes in (1, 8)]
    for speed in speeds:
        print(
            f"{database:<11}{speed['processes']} processes  {speed['pairs_per_s']:>7.0f} holds settled/s"
            f"   hold p50 {speed['p50_ms']:.2f} p99 {speed['p99_ms']:.2f} max {speed['max_ms']:.0f} ms   {speed['cpu_us']:.0f} µs CPU each"
        )
    print(json.dumps({"bench": "money", "database": database, "caps": rows, "holds": speeds}))


def _show(rows: list[dict[str, Any]]) -> None:
    print(
        f"{'$1.00 cap, 200 calls of $0.02 at once':<44}{'went out':>9}{'spent':>9}{'booked':>9}{'refused':>9}{'usable':>8}"
    )
    for row in rows:
        booked = "-" if row["booked_usd"] is None else f"${row['booked_usd']:.2f}"
        spent, usable = f"${row['spent_usd']:.2f}", min(1.0, row["spent_usd"])
        print(f"{row['row']:<44}{row['went_out']:>9}{spent:>9}{booked:>9}{row['refused']:>9}{usable:>8.0%}")


def _row(name: str, faults: Faults, *, booked: int | None, refused: int) -> dict[str, Any]:
    went_out = faults.totals()["billed"]
    return {
        "row": name, "went_out": went_out, "spent_usd": round(faults.billed_microusd / 1e6, 4), "refused": refused,
        "booked_usd": None if booked is None else round(booked / 1e6, 4),
    }  # fmt: skip


def _provider(faults: Faults) -> None:
    faults.always(Play(delay_s=2.0, usage=TOKENS, times=None))


def _ours() -> dict[str, Any]:
    """Eight processes of 25 threads; who would fit but for what others hold waits, holding nothing."""
    task = purse.open_payers(agents=1, products=1, tasks=1, task=CAP, name="cap").tasks[0]
    with faulty_provider() as faults:
        _provider(faults)
        reads = []
        children = []
        for _ in range(8):
            out, into = os.pipe()
            children.append(purse.fork(lambda into=into: _burst(task, faults.url, into)))  # type: ignore[misc]
            os.close(into)
            reads.append(out)
        refused = sum(int(os.read(out, 16) or b"0") for out in reads)
        purse.wait_all(children)
        return _row(
            f"ours, {connection.vendor}", faults, booked=Entry.objects.total_microusd(), refused=refused
        )


def _burst(task: Any, url: str, into: int) -> None:
    def one(_: int) -> bool:
        line, call_id = purse.Line(url, wait_s=60), new_id()
        is_held = _held(task, call_id)
        connection.close()  # what waits for a provider holds no connection
        if not is_held:
            return False
        _, said = line.ask(tag=str(call_id), model="gpt-5.2", max_tokens=1_000)
        capture_hold(call_id, cost_microusd=purse.cost_of(said) or 0, facts={"asked": "gpt-5.2"})
        connection.close()
        return True

    with ThreadPoolExecutor(CALLS // 8) as pool:
        refused = list(pool.map(one, range(CALLS // 8))).count(False)
    os.write(into, str(refused).encode())


def _held(task: Any, call_id: Any) -> bool:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            place_hold(scopes=[task], bound_microusd=BOUND, call_id=call_id)
        except BudgetBusy:
            if time.monotonic() > until:
                return False
            connection.close()
            time.sleep(0.2)
        except BudgetExceeded:
            return False
        else:
            return True


def _book_afterwards() -> dict[str, Any]:
    """What is common elsewhere: ask whether the sum is below the cap, call, add the bill to the sum."""
    spent, lock = [0], threading.Lock()

    def one(_: int) -> bool:
        with lock:
            if spent[0] >= CAP:
                return False
        _, said = purse.Line(faults.url, wait_s=60).ask(tag=str(new_id()), model="gpt-5.2", max_tokens=1_000)
        with lock:
            spent[0] += purse.cost_of(said) or 0
        return True

    with faulty_provider() as faults, ThreadPoolExecutor(CALLS) as pool:
        _provider(faults)
        refused = list(pool.map(one, range(CALLS))).count(False)
        return _row("sum booked afterwards", faults, booked=spent[0], refused=refused)


def _litellm() -> list[dict[str, Any]]:
    rows = []
    for which, name in (
        ("max_budget", "LiteLLM max_budget"), ("manager", "LiteLLM BudgetManager"), ("router", "LiteLLM Router provider budget")
    ):  # fmt: skip
        with faulty_provider() as faults:
            _provider(faults)
            done = subprocess.run(
                [sys.executable, str(_LITELLM), which, faults.url, str(CALLS)],
                capture_output=True,
                text=True,
                check=False,
                cwd=os.environ["FACTORY_HOME"],  # one of them writes its books where it stands
            )
            if done.returncode:
                print(f"{name}: did not run: {done.stderr.strip().splitlines()[-1:]}")
                continue
            told = json.loads(done.stdout.strip().splitlines()[-1])
            rows.append(_row(name, faults, booked=told["booked_microusd"], refused=told["refused"]))
    return rows


def _speed(processes: int, *, seconds: float) -> dict[str, Any]:
    payers = purse.open_payers(agents=14, products=10, tasks=20, name=f"s{processes}")
    files = [Path(os.environ["FACTORY_HOME"]) / f"speed-{n}.json" for n in range(processes)]
    children = [
        purse.fork(lambda n=n, file=file: _pairs(payers, seconds=seconds, seed=n, file=file))  # type: ignore[misc]
        for n, file in enumerate(files)
    ]
    purse.wait_all(children)
    told = [json.loads(file.read_text()) for file in files]
    holds = [hold for one in told for hold in one["holds"]]
    return {
        "processes": processes,
        "pairs_per_s": sum(len(one["holds"]) / one["seconds"] for one in told),
        "p50_ms": purse.percentile(holds, 0.5) * 1_000,
        "p99_ms": purse.percentile(holds, 0.99) * 1_000,
        "max_ms": max(holds) * 1_000,
        "cpu_us": sum(one["cpu_s"] for one in told) / len(holds) * 1e6,
    }


def _pairs(payers: purse.Payers, *, seconds: float, seed: int, file: Path) -> None:
    """Hold and settle until the time is over: eight windows, an entry, its hour and its pace each."""
    dice, story = random.Random(seed), new_id()  # noqa: S311 (dice of a benchmark)
    step = _pair_of(payers, dice=dice, story=story)
    for _ in range(30):
        step()
    holds: list[float] = []
    began, cpu = purse.now(), time.process_time()
    while purse.now() - began < seconds:
        holds.append(step())
    told = {"holds": holds, "seconds": purse.now() - began, "cpu_s": time.process_time() - cpu}
    file.write_text(json.dumps(told))


def _pair_of(payers: purse.Payers, *, dice: random.Random, story: Any) -> Callable[[], float]:
    def step() -> float:
        call_id, began = new_id(), purse.now()
        place_hold(
            scopes=[dice.choice(payers.agents), dice.choice(payers.products), dice.choice(payers.tasks)], tier="mid",
            bound_microusd=20, call_id=call_id, correlation_id=story, provider="northlight", model="nl-1",
        )  # fmt: skip
        held = purse.now() - began
        capture_hold(
            call_id, cost_microusd=dice.randrange(10, 20), facts={"provider": "northlight", "asked": "nl-1"}
        )
        return held

    return step


if __name__ == "__main__":
    main()
