"""What deploy/ says can be done: units, containers and the proxy name verbs, settings and files that exist."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from django.conf import settings

from factory.console.management.verbs.entry import app

ROOT = Path(settings.BASE_DIR)
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
SETTING = re.compile(r"FACTORY_[A-Z_]+")
NOT_OURS = {"FACTORY_DOMAIN"}
"""The proxy's own."""


def verbs() -> dict[str, Any]:
    """Return every verb of the command line, groups with theirs."""
    return dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def known_settings() -> set[str]:
    """Return the names of all settings."""
    source = (ROOT / "factory" / "settings.py").read_text()
    fields = source[source.index("class Env") : source.index("def read_env")]
    return {f"FACTORY_{name.upper()}" for name in re.findall(r"^    (\w+): [\w\[]", fields, re.MULTILINE)} - {
        "FACTORY_MODEL_CONFIG"
    }


def is_possible(words: list[str]) -> bool:
    """Say whether the command line has this verb with these options."""
    found, here = None, verbs()
    for word in [word for word in words if not word.startswith("-")]:
        if word not in here:
            break
        found = here[word]
        here = getattr(found, "commands", {})
    options = {name for one in (found.params if found else []) for name in one.opts}
    return found is not None and {word for word in words if word.startswith("--")} <= options


def commands_of(unit: Path) -> list[list[str]]:
    """Return what a unit starts, behind the name of our program."""
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read(unit)
    service = parsed["Service"] if parsed.has_section("Service") else {}
    lines = [value.split() for name, value in service.items() if name.startswith("Exec")]
    return [words[1:] for words in lines if words[0] == "/opt/factory/.venv/bin/factory"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_verbs_that_exist(unit: Path) -> None:
    started = commands_of(unit)

    assert [words for words in started if not is_possible(words)] == []
    assert started or unit.suffix == ".target"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_systemd_takes_every_unit(tmp_path: Path) -> None:
    for unit in UNITS:
        said = unit.read_text().replace("/opt/factory/.venv/bin/factory", sys.executable)
        said = said.replace("/opt/factory", str(ROOT)).replace("EnvironmentFile=/", "EnvironmentFile=-/")
        (tmp_path / unit.name.replace("@.", "@8000.")).write_text(said)

    done = subprocess.run(  # noqa: S603
        ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))],  # noqa: S607
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    ours = [line for line in done.stderr.splitlines() if "factory" in line and "Failed to" not in line]
    assert ours == []


def test_the_containers_start_verbs_that_exist_and_wait_for_each_other() -> None:
    said = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = said["services"]
    ours = {name: one for name, one in services.items() if one["image"] == "agentic-factory"}

    assert {name: one["command"] for name, one in ours.items() if not is_possible(one["command"])} == {}
    assert {name for one in services.values() for name in one.get("depends_on", [])} <= set(services)
    assert {one.split(":")[0] for service in ours.values() for one in service["volumes"]} <= set(
        said["volumes"]
    )


def test_every_password_of_the_containers_comes_from_outside() -> None:
    text = (DEPLOY / "compose.yaml").read_text()

    assert all("${" in line for line in text.splitlines() if re.search(r"(PASSWORD|SECRET_KEY|_URL):", line))


def test_every_setting_that_is_named_exists() -> None:
    named = {
        name: set(SETTING.findall(path.read_text()))
        for path in DEPLOY.rglob("*")
        if path.is_file()
        for name in [path.name]
    }
    known = known_settings() | {f"{name}_FILE" for name in known_settings()} | NOT_OURS

    assert {name: found - known for name, found in named.items() if found - known} == {}


def test_the_example_names_every_setting() -> None:
    assert known_settings() <= set(SETTING.findall((DEPLOY / "factory.env.example").read_text()))


def test_the_proxy_takes_its_file() -> None:
    caddy = Path(sys.executable).parent / "caddy"

    done = subprocess.run(  # noqa: S603
        [caddy, "adapt", "--config", DEPLOY / "Caddyfile", "--validate"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
