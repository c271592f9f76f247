"""The demo is the same factory: only where it stands, and whether models are rehearsed, differ."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.stack import ROOT, passed_on, say

SHOW = """
import json, re
from django.conf import settings
print(json.dumps({n: re.sub(' at 0x[0-9a-f]+', '', repr(getattr(settings, n))) for n in dir(settings) if n.isupper()}))
"""
WHERE = {
    "HOME", "BLOBS_DIR", "REPOS_DIR", "PRODUCTS_DIR", "WORK_DIR", "DATABASES", "LOGGING", "SECRET_KEY",
    "IS_AUTO", "REHEARSAL_HOME", "REAL_HOME",
}  # fmt: skip
"""The home, what stands in it, the secret that is kept in it, and the homes of the other mode."""
TRANSPORT = {"MODE", "IS_REAL", "MODEL_KEYS"}


def settings_of(**environment: str) -> dict[str, str]:
    """Return every setting of a factory started with this environment."""
    fixed = {"DJANGO_SETTINGS_MODULE": "factory.settings", "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)}
    said = say([sys.executable, "-c", SHOW], env={**passed_on(), **fixed, **environment})
    assert said.code == 0, said.err
    shown: dict[str, str] = json.loads(said.out)
    return {name: value for name, value in shown.items() if name != "ENV"}


def differing(one: dict[str, str], other: dict[str, str]) -> set[str]:
    """Return the names under which two factories differ."""
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def environment_in_makefile(target: str) -> set[str]:
    """Return the names that `make TARGET` sets."""
    recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    return set(re.findall(r"\b([A-Z_]+)=\S", recipe[1]))


def test_make_demo_sets_mode_and_home_and_make_run_sets_nothing() -> None:
    assert environment_in_makefile("demo") == {"FACTORY_MODE", "FACTORY_HOME"}
    assert environment_in_makefile("run") == set()


def test_demo_and_run_without_a_key_differ_only_in_where_they_stand(tmp_path: Path) -> None:
    demo = settings_of(FACTORY_MODE="rehearsal", FACTORY_HOME=str(tmp_path / "demo"))
    run = settings_of(FACTORY_HOME=str(tmp_path / "run"))

    assert differing(demo, run) == WHERE


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "OPENAI_API_KEY"])
def test_demo_and_run_with_a_key_differ_only_in_where_they_stand_and_in_transport(
    tmp_path: Path, name: str
) -> None:
    demo = settings_of(FACTORY_MODE="rehearsal", FACTORY_HOME=str(tmp_path / "demo"))
    run = settings_of(FACTORY_HOME=str(tmp_path / "run"), **{name: "sk-not-a-key"})

    assert differing(demo, run) == WHERE | TRANSPORT


def test_a_rehearsal_turns_real_once_its_real_home_was_opened_and_stays_one_when_the_mode_is_said(
    tmp_path: Path,
) -> None:
    (tmp_path / "real").mkdir()
    before = settings_of(FACTORY_HOME=str(tmp_path))
    (tmp_path / "real" / "opened").touch()

    after = settings_of(FACTORY_HOME=str(tmp_path))
    said = settings_of(FACTORY_HOME=str(tmp_path), FACTORY_MODE="rehearsal")

    assert (before["MODE"], before["HOME"]) == ("'rehearsal'", repr(tmp_path))
    assert (after["MODE"], after["HOME"]) == ("'real'", repr(tmp_path / "real"))
    assert (said["MODE"], said["HOME"], said["REAL_HOME"]) == ("'rehearsal'", repr(tmp_path), "None")


def test_a_key_in_the_environment_makes_it_real_and_an_address_there_wins(tmp_path: Path) -> None:
    keyed = settings_of(
        FACTORY_HOME=str(tmp_path), CEREBRAS_API_KEY="csk-1", ANTHROPIC_BASE_URL="http://127.0.0.1:9/v1/"
    )

    assert (keyed["MODE"], keyed["HOME"]) == ("'real'", repr(tmp_path / "real"))
    assert keyed["MODEL_ADDRESSES"] == repr({"anthropic": "http://127.0.0.1:9"})


def test_on_a_servers_database_the_mode_is_said_or_told_by_a_key_and_there_is_no_other_home(
    tmp_path: Path,
) -> None:
    server = {"FACTORY_HOME": str(tmp_path), "FACTORY_DATABASE_URL": "postgres://a:b@127.0.0.1:1/c"}

    plain = settings_of(**server)
    keyed = settings_of(**server, OPENAI_API_KEY="sk-1")

    assert (plain["MODE"], plain["REAL_HOME"]) == ("'rehearsal'", "None")
    assert (keyed["MODE"], keyed["HOME"]) == ("'real'", repr(tmp_path))


def test_a_process_that_crashes_leaves_its_memory_and_the_keys_in_it_on_no_disk(tmp_path: Path) -> None:
    crash = 'ulimit -S -c "$(ulimit -H -c)"; "$0" -c "import os, django; django.setup(); os.abort()"'
    fixed = {
        "DJANGO_SETTINGS_MODULE": "factory.settings",
        "PYTHONPATH": str(ROOT),
        "FACTORY_HOME": str(tmp_path),
    }

    done = subprocess.run(  # noqa: S603 (our own command)
        ["/bin/sh", "-c", crash, sys.executable], env={**passed_on(), **fixed}, cwd=tmp_path, capture_output=True,
        check=False,
    )  # fmt: skip

    assert done.returncode in (-signal.SIGABRT, 128 + signal.SIGABRT)
    assert b"core dumped" not in done.stderr
    assert not list(tmp_path.glob("core*"))
