"""The engines themselves, as their makers ship them, pointed at the models' door of a real factory: they work, and stop when told."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.client import Faults, faulty_provider
from tests.faults.play import Play
from tests.flows.stack import ROOT, Stack, a_stack
from tests.flows.test_door import BEGIN

PROGRAMS = ROOT / "var" / "engines" / "node_modules" / ".bin"
pytestmark = [
    pytest.mark.drill,
    pytest.mark.skipif(
        not (PROGRAMS / "claude").exists() or shutil.which("node") is None,
        reason="the engines are not here: install node, then run scripts/engines",
    ),
]
TASK = "Write hello into hello.txt"
SHELL = "echo hello > hello.txt"
PATIENCE_S = 120
OPENAI, CLAUDE = "gpt-5-mini", "claude-haiku-4-5"


@dataclass(frozen=True)
class Engine:
    """One program, as the run of an agent starts it.

    Attributes:
        words: its command line; `{model}` and `{task}` stand for what is asked.
        env: what tells it where the door is, and its key; `{site}` and `{token}` stand for them.
        files: what it reads from its home, with the same words in it.
        tool: the name of its shell, and the argument that takes the command.
    """

    words: Sequence[str]
    env: Mapping[str, str]
    tool: tuple[str, str]
    files: Mapping[str, str]

    def run(self, home: Path, *, site: str, token: str, model: str) -> "subprocess.CompletedProcess[str]":
        """Let it work in a folder of its own until it ends by itself."""
        told = {"site": site, "token": token, "model": model, "task": TASK}
        for name, text in self.files.items():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(filled(text, told))
        (work := home / "work").mkdir()
        env = {name: filled(value, told) for name, value in self.env.items()}
        return subprocess.run(  # noqa: S603 (pinned programs)
            [str(PROGRAMS / self.words[0]), *(filled(word, told) for word in self.words[1:])],
            env={"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **env},
            cwd=work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )


def filled(text: str, told: Mapping[str, str]) -> str:
    """Return `text` with what is told in its places."""
    for name, value in told.items():
        text = text.replace("{" + name + "}", value)
    return text


def pi(api: str, *, base: str) -> Engine:
    """Pi, speaking one of its protocols."""
    model = {"id": "{model}", "contextWindow": 128_000, "maxTokens": 4_000}
    provider = {"baseUrl": base, "api": api, "apiKey": "FACTORY_KEY", "models": [model]}
    return Engine(
        words=("pi", "--provider", "factory", "--model", "{model}", "--mode", "json", "-p", "{task}"),
        env={"FACTORY_KEY": "{token}", "PI_OFFLINE": "1"},
        tool=("bash", "command"),
        files={".pi/agent/models.json": json.dumps({"providers": {"factory": provider}})},
    )


ENGINES = {
    "claude": Engine(
        words=(
            "claude", "-p", "{task}", "--model", "{model}", "--output-format", "stream-json", "--verbose",
            "--permission-mode", "bypassPermissions",
        ),
        env={
            "ANTHROPIC_BASE_URL": "{site}", "ANTHROPIC_API_KEY": "{token}", "IS_SANDBOX": "1",
            "CLAUDE_CODE_MAX_OUTPUT_TOKENS": "4000", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1", "DISABLE_TELEMETRY": "1",
        },
        tool=("Bash", "command"),
        files={},
    ),
    "codex": Engine(
        words=(
            "codex", "exec", "--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox",
            "{task}",
        ),
        env={"FACTORY_KEY": "{token}"},
        tool=("exec_command", "cmd"),
        files={
            ".codex/config.toml": """
model = "{model}"
model_provider = "factory"
approval_policy = "never"
check_for_update_on_startup = false
web_search = "disabled"
[model_providers.factory]
name = "factory"
base_url = "{site}/v1"
wire_api = "responses"
env_key = "FACTORY_KEY"
[analytics]
enabled = false
"""
        },
    ),
    "pi-chat": pi("openai-completions", base="{site}/v1"),
    "pi-messages": pi("anthropic-messages", base="{site}"),
}  # fmt: skip
EACH = pytest.mark.parametrize("name", list(ENGINES))


@pytest.fixture(scope="module")
def provider() -> Iterator[Faults]:
    """Both providers, in one process on loopback."""
    with faulty_provider() as faults:
        yield faults


@pytest.fixture(scope="module")
def stack(provider: Faults, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A real factory whose keys lead to that provider."""
    keys = {"OPENAI_API_KEY": "sk-test-1234567890abcdef", "ANTHROPIC_API_KEY": "sk-ant-test-1234567890"}
    urls = {"OPENAI_BASE_URL": provider.url, "ANTHROPIC_BASE_URL": provider.url}
    home = tmp_path_factory.mktemp("engines") / "home"
    with a_stack(home, more={"FACTORY_MODE": "real", **keys, **urls}) as stack:
        yield stack


def begin(stack: Stack, *, cap_microusd: int = 1_000_000) -> str:
    """Begin a run of an engine; return its token, which says the room where the engine does not."""
    told = BEGIN.replace("1_000_000", str(cap_microusd)).replace("=ends)", "=ends, max_tokens=2_000)")
    token: str = stack.python(told)
    return token


def calls_of(stack: Stack) -> list[dict[str, Any]]:
    """Return every call that was ever made, in order."""
    return stack.rows("SELECT status, cost_microusd, bound_microusd FROM gateway_call ORDER BY id")


@EACH
@pytest.mark.parametrize("model", [OPENAI, CLAUDE])
def test_an_engine_does_its_work_through_the_door_whoever_serves_it(
    stack: Stack, provider: Faults, tmp_path: Path, name: str, model: str
) -> None:
    engine, before = ENGINES[name], calls_of(stack)
    shell, argument = engine.tool
    call = ("call_1", shell, json.dumps({argument: SHELL}))
    provider.reset()
    provider.plan(Play(text="I write it.", calls=(call,), stop="tools"), Play(text="It is written."))

    done = engine.run(tmp_path, site=stack.address, token=begin(stack), model=model)

    assert (tmp_path / "work" / "hello.txt").read_text() == "hello\n", done.stdout[-2000:] + done.stderr
    assert "It is written." in done.stdout
    booked = calls_of(stack)[len(before) :]
    assert [one["status"] for one in booked] == ["answered"] * 2
    assert all(0 < one["cost_microusd"] <= one["bound_microusd"] for one in booked)
    assert [one["status"] for one in provider.calls()] == [200] * 2
    assert stack.value("SELECT count(*) FROM billing_hold WHERE state = 'held'") == 0


@EACH
def test_a_refusal_for_money_ends_an_engine_at_once(
    stack: Stack, provider: Faults, tmp_path: Path, name: str
) -> None:
    refusals = "SELECT count(*) FROM core_auditrow WHERE verb = 'gateway.refuse_call'"
    before = stack.value(refusals)
    provider.reset()

    done = ENGINES[name].run(tmp_path, site=stack.address, token=begin(stack, cap_microusd=10), model=OPENAI)

    assert stack.value(refusals) - before == 1, done.stdout[-2000:]
    assert "hard limit" in done.stdout
    assert provider.calls() == []
