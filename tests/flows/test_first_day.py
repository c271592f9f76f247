"""The first day as an owner lives it: a key given on the page opens the real factory; nothing ever tells the key."""

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.client import Faults, faulty_provider
from tests.flows.owner import Owner
from tests.flows.stack import Said, Stack
from tests.flows.visitor import Visitor

KEY = "sk-ant-" + "never-told-" + "0123456789-WXYZ"


@pytest.fixture(scope="module")
def maker() -> Iterator[Faults]:
    with faulty_provider() as running:
        running.offer("claude-haiku-4-5-20251001", "claude-sonnet-4-5", "claude-trial")
        yield running


def unnamed(home: Path, maker: Faults, **more: str) -> Stack:
    """Return a factory that is told neither its mode nor anything but where its maker stands."""
    home.mkdir(parents=True, exist_ok=True)
    told = {"FACTORY_MODE": "auto", "ANTHROPIC_BASE_URL": f"{maker.url}/v1", **more}
    return Stack(home, profile="embedded", more=told)


def told(stack: Stack, *words: str, secret: str = "") -> Said:
    """Carry out one verb that reads a secret from its standard input."""
    done = subprocess.run(  # noqa: S603 (our own command)
        stack.command("factory", *words), env=stack.environment, input=f"{secret}\n", capture_output=True, text=True,
        cwd="/", check=False,
    )  # fmt: skip
    return Said(done.returncode, done.stdout, done.stderr)


def holding(home: Path, secret: str) -> list[str]:
    """Return every file below `home` in which the secret stands."""
    files = (path for path in home.rglob("*") if path.is_file() and not path.is_symlink())
    return [str(path) for path in files if secret.encode() in path.read_bytes()]


def processes_telling(secret: str) -> list[int]:
    """Return the processes whose command line or environment holds the secret; not this one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        for part in ("cmdline", "environ"):
            try:
                if secret.encode() in (folder / part).read_bytes() and int(folder.name) != os.getpid():
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


def moved_into(real: Stack) -> tuple[object, ...]:
    """Return who came along, whether simulated, and with which zone, theme and device."""
    asked = (
        "SELECT username FROM core_user", "SELECT is_simulated FROM core_user", "SELECT time_zone FROM core_installation",
        "SELECT value FROM core_settingvalue WHERE key = 'theme'", "SELECT name FROM core_devicetoken",
    )  # fmt: skip
    return tuple(real.value(question) for question in asked)


@pytest.mark.drill
def test_a_key_given_on_the_page_opens_the_real_factory_and_its_owner_does_not_join_twice(
    tmp_path: Path, maker: Faults
) -> None:
    stack = unnamed(tmp_path / "home", maker)
    try:
        stack.start()
        real = Stack(stack.home / "real", profile="embedded", more=stack.more)
        with Owner(stack) as owner, Visitor(stack.address) as again:
            assert stack.cli("set", "theme", "dark").code == 0
            assert stack.cli("token", "make", "phone", "--as", owner.name).code == 0
            refused = owner.post("POST", "/first-day/key/", form={"maker": "anthropic", "key": ""})
            given = owner.post("POST", "/first-day/key/", form={"maker": "anthropic", "key": KEY})
            stack.until((real.home / "factoryd.lock").exists, what="the real factory to take over")
            stack.until(stack.answers, what="its pages")
            signed_in = again.submit("/login/", username=owner.name, password=owner.password)
            page = again.get("/first-day/").text

        assert (refused.status_code, given.status_code, signed_in.status_code) == (400, 303, 303)
        assert "Rehearsal" not in page
        assert "claude-haiku-4-5" in page
        assert "Refused: no price" in page
        assert KEY not in page + given.text + refused.text
        assert moved_into(real) == (owner.name, 0, "Pacific/Auckland", '"dark"', "phone")
        assert real.value("SELECT count(*) FROM gateway_call") == 1
        assert real.value("SELECT count(*) FROM work_task") == 0
        assert holding(stack.home, KEY) == []
        assert processes_telling(KEY) == []
        assert stack.stop() == {0}
        assert stack.rows("SELECT mode FROM core_installation") == [{"mode": "rehearsal"}]
    finally:
        stack.close()


@pytest.mark.drill
def test_one_command_sets_up_a_factory_from_nothing(tmp_path: Path, maker: Faults) -> None:
    stack = unnamed(tmp_path / "home", maker)

    done = told(
        stack, "init", "--maker", "anthropic", "--key-stdin", "--cap", "7.50", "--time-zone", "Pacific/Auckland",
        "--on", "Kev,Scout", "--json", secret=KEY,
    )  # fmt: skip

    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert (said["model"], said["answer"]) == ("claude-haiku-4-5", "Hello.")
    assert 0 < float(said["cost_usd"]) < 0.001
    assert said["ready"] == ["anthropic/claude-sonnet-4-5", "anthropic/claude-haiku-4-5"]
    shown = json.loads(stack.cli("keys", "--json").out)
    assert {one["maker"]: one["key"] for one in shown}["anthropic"] == "stored"
    models = {one["model"]: one["use"] for one in json.loads(stack.cli("models", "--json").out)}
    assert models["claude-trial"] == "refused: no price"
    assert models["claude-opus-4-6"] == "not in this key"
    assert KEY not in done.out + done.err
    assert holding(tmp_path, KEY) == []


@pytest.mark.drill
def test_a_key_that_is_refused_leaves_a_rehearsal_and_is_said_in_one_sentence(
    tmp_path: Path, maker: Faults
) -> None:
    stack = unnamed(tmp_path / "home", maker)
    maker.admit("sk-another")
    try:
        done = told(stack, "key", "set", "anthropic", "--stdin", secret=KEY)
    finally:
        maker.admit()

    assert done.code == 2
    assert done.err.startswith("The model maker does not take this key; nothing was stored.")
    assert KEY not in done.out + done.err
    assert not (stack.home / "real" / "opened").exists()
    assert holding(tmp_path, KEY) == []


@pytest.mark.drill
def test_a_key_of_the_environment_is_used_and_not_stored(tmp_path: Path, maker: Faults) -> None:
    stack = unnamed(tmp_path / "home", maker, ANTHROPIC_API_KEY=KEY)

    done = told(stack, "init", "--yes", "--json")

    assert done.code == 0, done.err
    assert json.loads(done.out)["model"] == "claude-haiku-4-5"
    assert holding(tmp_path, KEY) == []


def at_a_terminal(stack: Stack, *words: str, types: str) -> Said:
    """Carry out one verb at a terminal at which somebody types these lines."""
    ours, theirs = pty.openpty()
    os.write(ours, types.encode())
    child = subprocess.Popen(  # noqa: S603 (our own command)
        stack.command("factory", *words), env=stack.environment, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, cwd="/",
    )  # fmt: skip
    out, err = child.communicate()
    os.close(ours)
    os.close(theirs)
    return Said(child.returncode, out, err)


@pytest.mark.drill
def test_an_answer_that_does_not_fit_is_asked_for_again_and_the_others_are_kept(
    tmp_path: Path, maker: Faults
) -> None:
    stack = unnamed(tmp_path / "home", maker, ANTHROPIC_API_KEY=KEY)
    lines = ("abc", "7.50", "Auckland", "Pacific/Auckland", "Kev,Nobody", "Kev,Scout", "")

    done = at_a_terminal(stack, "init", types="\n".join(lines))

    assert done.code == 0, done.err
    words = " ".join(done.out.split())
    assert "0 to 100.00 dollars" in words
    assert "a time zone, e.g. Pacific/Auckland" in words
    assert "Nobody" in words
    real = Stack(stack.home / "real", profile="embedded", more=stack.more)
    assert real.value("SELECT time_zone FROM core_installation") == "Pacific/Auckland"
    caps = "SELECT cap_microusd FROM billing_limit l JOIN billing_scope s ON s.id = l.scope_id "
    assert real.value(f"{caps} WHERE s.kind = 'factory' AND l.period = 'day'") == 7_500_000
    assert {row["name"] for row in real.rows("SELECT name FROM roster_agent WHERE is_enabled")} == {
        "Kev",
        "Scout",
    }


@pytest.mark.drill
@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--cap", "abc"), "0 to 100.00 dollars"),
        (("--cap", "500"), "0 to 100.00 dollars"),
        (("--time-zone", "Auckland"), "e.g. Pacific/Auckland"),
        (("--on", "Kev,Nobody"), "unknown: Nobody"),
    ],
)
def test_an_option_that_does_not_fit_ends_the_verb_before_anybody_is_paid(
    tmp_path: Path, maker: Faults, option: tuple[str, str], words: str
) -> None:
    stack = unnamed(tmp_path / "home", maker, ANTHROPIC_API_KEY=KEY)
    before = maker.totals()["requests"]

    done = told(stack, "init", "--yes", *option)

    assert done.code == 2
    assert words in done.err
    assert maker.totals()["requests"] == before


def test_a_factory_that_is_told_to_rehearse_takes_no_key(tmp_path: Path, maker: Faults) -> None:
    stack = unnamed(tmp_path / "home", maker, FACTORY_MODE="rehearsal")

    done = told(stack, "key", "set", "anthropic", "--stdin", secret=KEY)

    assert done.code == 3
    assert "rehearses for ever" in done.err
