"""Slow proofs: what strangers do to the whole factory, and what still holds afterwards."""

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from core.adapters.tls import trusted
from core.services.blobs import path_of
from tests.flows.owner import Owner
from tests.flows.stack import ROOT, Stack, a_stack
from tests.flows.visitor import is_timeless, keeps

pytestmark = pytest.mark.drill
IDEA = "Tell small shops when their nightly backup job did not report"
IDEAS = {
    "heartbeat": "I want to know when the script that copies our till data at night stays silent",
    "watch": "Watch the price page of a competitor and tell me when a number on it changes",
    "register": "Remind sports clubs before the first aid certificates of their coaches run out",
    "german": "Erinnere kleine Betriebe rechtzeitig daran, wenn die Prüfung einer Leiter fällig ist",
    "french": "Rappeler aux petites mairies la date de contrôle de chaque extincteur avant l'échéance",
    "spanish": "Avisar a los talleres antes de que caduque el seguro de cada furgoneta de sus clientes",
    "unlisted": "Beekeepers write down which hive was treated against mites and when it is due again",
    "unfit": "Compose a lullaby video in sign language for every child of a kindergarten",
}
MASKED = {"seconds", "url", "correlation_id", "digest"}
HOUSE = ("auth_", "django_", "house_", "sqlite_")


def live_venture(stack: Stack, owner: Owner, idea: str) -> dict[str, Any]:
    """Take an idea to a live product; return the product's row."""
    venture = owner.give(idea)
    owner.see_live(venture)
    return product_of(stack, venture)


def product_of(stack: Stack, venture: str) -> dict[str, Any]:
    """Return a product's row, its blueprint read."""
    row = stack.rows("SELECT * FROM portfolio_product WHERE id = ?", venture)[0]
    return {**row, "blueprint": json.loads(row["blueprint"])}


def promises(stack: Stack) -> set[Any]:
    """Return how every promise stands in the newest verdict of every product."""
    newest = "SELECT promises FROM quality_verdict v WHERE at = (SELECT max(at) FROM quality_verdict w WHERE w.product_id = v.product_id)"
    return {held for row in stack.rows(newest) for held in json.loads(row["promises"]).values()}


def books(stack: Stack) -> tuple[int, int]:
    """Return what all calls cost and what stands in the ledger for them."""
    calls = stack.value("SELECT coalesce(sum(cost_microusd), 0) FROM gateway_call")
    ledger = "SELECT coalesce(sum(amount_microusd), 0) FROM billing_entry WHERE kind = 'model_call'"
    return int(calls), int(stack.value(ledger))


def tables_of(stack: Stack, product_id: str) -> set[str]:
    """Return the tables that only this product has."""
    name = f"{product_id[:8]}-{product_id[8:12]}-{product_id[12:16]}-{product_id[16:20]}-{product_id[20:]}"
    with closing(sqlite3.connect(stack.home / "products" / name / "db.sqlite3")) as database:
        found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {table for (table,) in found if not table.startswith(HOUSE)}


def test_with_every_third_answer_broken_the_product_still_comes_and_every_try_is_booked(
    tmp_path: Path,
) -> None:
    with a_stack(tmp_path / "home", seed="7:broken=3") as stack, Owner(stack) as owner:
        live_venture(stack, owner, IDEA)

        assert promises(stack) == {True}
        calls, ledger = books(stack)
        assert calls == ledger
        paid_tries = stack.value("SELECT count(*) FROM gateway_call")
        assert (
            paid_tries > stack.value("SELECT count(DISTINCT step_key) FROM gateway_call WHERE fault = ''") - 1
        )


def test_without_planted_defects_nothing_is_found_and_the_first_verdict_is_green(tmp_path: Path) -> None:
    with a_stack(tmp_path / "home", seed="7:clean") as stack, Owner(stack) as owner:
        live_venture(stack, owner, IDEA)

        assert stack.rows("SELECT file, line, text FROM quality_finding") == []
        assert [row["passed"] for row in stack.rows("SELECT passed FROM quality_verdict")] == [1]


def test_ideas_in_four_languages_become_products_of_their_own(tmp_path: Path) -> None:
    with a_stack(tmp_path / "home", seed="7", worker_threads=2) as stack, Owner(stack) as owner:
        products = {name: live_venture(stack, owner, idea) for name, idea in IDEAS.items()}

        broken = {
            (name, one["id"]): fault
            for name, product in products.items()
            for one in product["blueprint"]["criteria"]
            if is_timeless(one) and (fault := keeps(product["url"], one))
        }
        assert broken == {}
        cores = {name: product["blueprint"]["core_function"] for name, product in products.items()}
        assert [cores[name]["kind"] for name in ("heartbeat", "watch", "register")] == [
            "heartbeat",
            "watch",
            "register",
        ]
        assert [cores[name]["language"] for name in ("german", "french", "spanish")] == ["de", "fr", "es"]
        assert products["unfit"]["blueprint"]["fit"] == "low"
        assert len({core["app"] for core in cores.values()}) == len(IDEAS)
        assert len({frozenset(tables_of(stack, one["id"])) for one in products.values()}) == len(IDEAS)


@pytest.mark.parametrize("gate", ["pipeline.build", "delivery.release"])
def test_a_question_that_nobody_answers_expires_after_four_hours_and_nothing_is_deployed(
    tmp_path: Path, gate: str
) -> None:
    asked = "SELECT count(*) FROM approvals_request WHERE action = ? AND state = ?"
    with a_stack(tmp_path / "home") as stack, Owner(stack) as owner:
        venture = owner.give(IDEA)
        owner.stand_before(gate)

        stack.python(ADVANCE)
        stack.until(lambda: stack.value(asked, gate, "expired"), what="the end of the question")
        late = owner.answer_all()

        assert late == 0
        assert (
            stack.value("SELECT count(*) FROM delivery_release WHERE state NOT IN ('asked', 'refused')") == 0
        )
        assert product_of(stack, venture)["url"] == ""
        assert (
            stack.value("SELECT count(*) FROM work_task WHERE state IN ('ready', 'running', 'claimed')") == 0
        )


ADVANCE = """
from datetime import timedelta
from core.services import advance_to, business_now
advance_to(business_now() + timedelta(hours=4, minutes=1))
"""


def test_an_artifact_that_changed_after_the_question_is_never_deployed(tmp_path: Path) -> None:
    with a_stack(tmp_path / "home") as stack, Owner(stack) as owner:
        venture = owner.give(IDEA)
        owner.stand_before("delivery.release")
        digest = stack.value("SELECT digest FROM delivery_release")
        file = stack.home / "blobs" / path_of(digest).relative_to(path_of(digest).parents[1])
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)

        owner.answer_all()
        over = "SELECT count(*) FROM delivery_release WHERE state = 'refused'"
        stack.until(
            lambda: stack.value(over) or stack.value("SELECT count(*) FROM work_deadletter"), what="a refusal"
        )

        assert (
            stack.value(
                "SELECT count(*) FROM delivery_release WHERE state IN ('live', 'trying', 'switching')"
            )
            == 0
        )
        assert product_of(stack, venture)["url"] == ""


def test_two_demos_agree_but_for_times_ids_and_ports(tmp_path: Path) -> None:
    summaries = []
    for name in ("one", "two"):
        stack = Stack(tmp_path / name, seed="7")
        said = stack.cli("demo", "--fresh", "--exit", "--product", "cronpilot")
        assert said.code == 0, said.sentence
        assert re.search(r"^DEMO OK mode=rehearsal product=cronpilot .* stages=5/5 ", said.out, re.MULTILINE)
        summaries.append(masked(json.loads((stack.home / "summary.json").read_text())))
        stack.close()

    assert summaries[0] == summaries[1]


def masked(value: Any) -> Any:
    """Return a summary without what may differ from run to run."""
    if isinstance(value, dict):
        return {name: masked(inner) for name, inner in value.items() if name not in MASKED}
    return [masked(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("calls", sorted(random.Random(2026).sample(range(1, 20), 5)))  # noqa: S311
def test_a_kill_after_any_call_changes_nothing_but_what_was_lost(tmp_path: Path, calls: int) -> None:
    with a_stack(tmp_path / "calm") as calm, Owner(calm) as owner:
        expected = end_of(calm, live_venture(calm, owner, IDEA))
        calm_cost, _ = books(calm)
    with a_stack(tmp_path / "killed") as stack, Owner(stack) as owner:
        venture = owner.give(IDEA)
        made = "SELECT count(*) >= ? FROM gateway_call"
        owner.agree_until(lambda: stack.value(made, calls), what=f"{calls} calls")

        stack.kill()
        bounds = stack.value("SELECT coalesce(sum(bound_microusd), 0) FROM billing_hold WHERE state = 'held'")
        stack.start()
        owner.see_live(venture)

        cost, ledger = books(stack)
        assert end_of(stack, product_of(stack, venture)) == expected
        assert cost == ledger <= calm_cost + bounds
        assert (
            stack.value("SELECT coalesce(sum(amount_microusd), 0) FROM billing_entry WHERE is_lost") == bounds
        )


def end_of(stack: Stack, product: dict[str, Any]) -> tuple[Any, ...]:
    """Return what a venture ended in: what was promised and kept, and the very files that are live."""
    facts = stack.value(
        "SELECT a.facts FROM work_artifact a JOIN delivery_release r ON r.artifact_id = a.id WHERE r.state = 'live'"
    )
    tasks = {row["key"]: row["state"] for row in stack.rows("SELECT key, state FROM work_task")}
    return product["blueprint"], json.loads(facts)["tree"], tasks, promises(stack)


def test_a_live_product_answers_while_the_factory_is_dead_and_after_it_came_back(tmp_path: Path) -> None:
    with a_stack(tmp_path / "home", worker_threads=2) as stack, Owner(stack) as owner:
        first = live_venture(stack, owner, IDEA)
        second = owner.give(IDEAS["register"])
        writing = "SELECT count(*) FROM work_task t JOIN work_dag d ON d.id = t.dag_id JOIN portfolio_product p ON p.id = d.product_id WHERE p.id = ? AND t.type = 'code' AND t.state = 'running'"
        owner.agree_until(lambda: stack.value(writing, second), what="the second build")

        stack.kill()
        dead = {
            httpx.get(
                f"{first['url']}/health?nonce=n", timeout=20, trust_env=False, verify=trusted()
            ).status_code
            for _ in range(50)
        }
        stack.start()
        back = {
            httpx.get(
                f"{first['url']}/health?nonce=n", timeout=20, trust_env=False, verify=trusted()
            ).status_code
            for _ in range(50)
        }
        owner.see_live(second)

        assert (dead, back) == ({200}, {200})
        assert httpx.get(first["url"], timeout=20, trust_env=False, verify=trusted()).status_code == 200


def test_a_fault_in_the_skeleton_turns_the_verdict_red_with_file_and_line_and_nobody_meets_it(
    tmp_path: Path,
) -> None:
    tree = copy_of_the_factory(tmp_path / "tree")
    plans = tree / "data" / "skeletons" / "saas-py" / "house" / "plans.py"
    plans.write_text(
        plans.read_text().replace("return used < limit_of(owner)", "return used <= limit_of(owner)")
    )
    shared = os.environ.get("FACTORY_SHARED", str(ROOT / "var" / "shared"))
    with (
        a_stack(tmp_path / "home", root=tree, more={"FACTORY_SHARED": shared}) as stack,
        Owner(stack) as owner,
    ):
        venture = owner.give(IDEA)

        owner.agree_until(
            lambda: stack.value("SELECT count(*) FROM work_deadletter"), what="the end of mending"
        )

        verdicts = stack.rows("SELECT passed FROM quality_verdict")
        found = stack.rows("SELECT file, line FROM quality_finding WHERE severity != 'low'")
        assert {row["passed"] for row in verdicts} == {0}
        assert any(row["file"].startswith("house/") and row["line"] > 0 for row in found), found
        assert stack.value("SELECT count(*) FROM delivery_release WHERE state = 'live'") == 0
        assert product_of(stack, venture)["url"] == ""


def copy_of_the_factory(place: Path) -> Path:
    """Copy what the repository holds to a place where it may be changed."""
    shutil.copytree(
        ROOT, place, ignore=shutil.ignore_patterns(".venv", ".git", "var", "__pycache__", ".*_cache")
    )
    return place


def test_a_demo_that_is_interrupted_ends_everything_it_started(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "home")
    heeds = ("env", "--default-signal=INT")  # also where these tests were started in the background
    with (tmp_path / "said.txt").open("wb") as said:
        command = stack.command("factory", "demo", "--fresh", "--exit", "--product", "cronpilot")
        demo = subprocess.Popen([*heeds, *command], env=stack.environment, cwd="/", stdout=said, stderr=said)  # noqa: S603
    running = "SELECT count(*) FROM work_task WHERE state = 'running' AND type = 'code'"
    stack.until(lambda: is_building(stack, running), what="the build")

    demo.send_signal(signal.SIGINT)
    code = demo.wait(timeout=300)

    words = (tmp_path / "said.txt").read_text()
    assert code != 0
    assert "Traceback" not in words
    stack.until(lambda: not processes_of(stack.home), what="the end of all processes")


def is_building(stack: Stack, question: str) -> bool:
    """Say whether the build has begun, also before there are tables."""
    try:
        return bool(stack.value(question))
    except (sqlite3.OperationalError, psycopg.errors.UndefinedTable):
        return False


def processes_of(home: Path) -> set[int]:
    """Return the processes that were started for the factory in `home`."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(home).encode() in (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes():
                found.add(int(folder.name))
    return found
