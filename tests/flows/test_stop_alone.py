"""A stop needs the database and nothing else: no Redis, no web, no worker, no beat."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.stack import Stack

pytestmark = pytest.mark.drill
NOBODY = "redis://127.0.0.1:1/0"
SPEND = """
import json, time
from billing.errors import SwitchSet
from billing.services import capture_hold, place_hold
from core.ids import new_id
said = ""
for number in range(100_000):
    try:
        place_hold(scopes=[], bound_microusd=1, call_id=(call := new_id()))
        capture_hold(call, cost_microusd=1)
    except SwitchSet as refusal:
        said = refusal.code
        break
    if number == 0:
        print("begun", flush=True)
    time.sleep(0.005)
print(json.dumps([said, number > 0]))
"""
AFTER = """
import json
from datetime import timedelta
from billing.models import Hold, Switch
from billing.services import open_switches
off = Switch.objects.get(kind="global")
late = Hold.objects.filter(placed_at__gt=off.set_at + timedelta(seconds=1)).count()
print(json.dumps([late, off.reason, [one.kind for one in open_switches()]]))
"""


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Stack]:
    """Give a factory of which nothing runs; in the full profile its Redis is gone too."""
    stack = Stack(tmp_path / "home")
    stack.home.mkdir()
    if stack.profile == "full":
        stack.more["FACTORY_REDIS_URL"] = NOBODY
    assert stack.cli("prepare").code == 0
    yield stack
    stack.database.remove()


def test_a_stop_with_only_the_database_alive_ends_who_spends_and_stands_until_the_owner_clears_it(
    alone: Stack,
) -> None:
    spending = subprocess.Popen(  # noqa: S603 (our own command)
        alone.command("shell", "--no-imports", "-c", SPEND),
        env=alone.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert spending.stdout
    assert spending.stdout.readline() == "begun\n"

    stopped = alone.cli("stop")
    said, _ = spending.communicate(timeout=300)

    assert stopped.code == 0, stopped.sentence
    assert json.loads(said) == ["SWITCH_SET", True]
    assert alone.python(AFTER) == [0, "factory stop", ["global"]]
    assert alone.cli("start").code == 0
    assert alone.python("from billing.services import open_switches; print(len(open_switches()))") == 0
