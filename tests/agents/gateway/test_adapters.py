"""One contract for every way to a model: the lean wires and LiteLLM's child, against a provider that fails as told."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agents.gateway.adapters import transport
from agents.gateway.adapters.http import Line, converse
from agents.gateway.errors import ProviderFault
from agents.gateway.models import Provider
from agents.gateway.ports import Ask, Patience, Said
from agents.gateway.services.bounds import body_bytes
from core.ids import new_id
from core.models import Mode
from core.registry import Tool, ToolContext, ToolResult
from tests.builders import an_ask
from tests.faults.client import Faults
from tests.faults.play import Play

KEY = "sk-test-contract-1234567890"
WAYS = {"openai": "openai", "cerebras": "compatible", "anthropic": "anthropic", "mistral": "litellm"}
HASTE = Patience(first_token_s=20, silence_s=0.6, total_s=40)


@pytest.fixture
def faults(server: Faults) -> Faults:
    """Return it as if it were new."""
    server.reset()
    return server


@pytest.fixture(params=list(WAYS), ids=list(WAYS.values()))
def way(request: Any, faults: Faults) -> Provider:
    """Return one provider for each way to speak."""
    protocol = WAYS[request.param]
    base_url = f"{faults.url}/v1" if protocol == "litellm" else faults.url
    return Provider(name=request.param, protocol=protocol, base_url=base_url)


def line_of(way: Provider) -> Line:
    """Return the line to it."""
    return transport.line_to(way, mode=Mode.REAL, key=KEY)


def say(
    way: Provider, ask: Ask | None = None, *, model: str = "some-model", patience: Patience = HASTE
) -> Said:
    """Ask it once."""
    wire = transport.WIRES[way.protocol]
    asked = ask or an_ask(text="call:contract Say hello.", max_tokens=50, scopes=(new_id(),))
    body = body_bytes(wire.write(asked, model="some-model", max_tokens=50))
    return converse(wire, line_of(way), body, is_cut=lambda: False, patience=patience)


def test_an_answer_comes_whole_with_its_bill_and_the_key_goes_along(faults: Faults, way: Provider) -> None:
    faults.admit(KEY)
    faults.plan(Play(text="Hello over there.", usage={"prompt": 40, "completion": 7}))

    said = say(way)

    assert (said.text, said.stop, said.tool_calls) == ("Hello over there.", "end", ())
    assert said.usage is not None
    assert (said.usage.prompt, said.usage.completion, said.model) == (40, 7, "some-model")
    assert said.first_token_ms is not None
    [call] = faults.calls()
    assert (call["tag"], call["key"], call["model"]) == ("contract", KEY[-4:], "some-model")


def test_the_limit_of_the_answer_always_goes_along(faults: Faults, way: Provider) -> None:
    say(way)

    [sent] = faults.bodies()
    assert 50 in (sent["body"].get("max_tokens"), sent["body"].get("max_completion_tokens"))


def test_what_the_cache_gave_is_told_apart(faults: Faults, way: Provider) -> None:
    faults.plan(Play(usage={"prompt": 1_000, "cached": 600, "completion": 7}))

    usage = say(way).usage

    assert usage is not None
    assert (usage.prompt, usage.cached) == (1_000, 600)


def test_tool_calls_come_whole(faults: Faults, way: Provider) -> None:
    def handler(context: ToolContext, arguments: Any, /) -> ToolResult:
        return ToolResult(f"{context} {arguments}")

    schema = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    tool = Tool("read", "Reads a file.", schema, "read", handler)
    faults.plan(Play(text="", calls=(("call_1", "read", '{"path": "a/long/way/to/go.py"}'),), stop="tools"))
    ask = an_ask(text="Read it.", tools=(tool,), scopes=(new_id(),))

    said = say(way, ask)

    assert said.stop == "tools"
    assert [(call.name, call.arguments) for call in said.tool_calls] == [
        ("read", {"path": "a/long/way/to/go.py"})
    ]


FREE = [
    (Play(status=429), "rate_limited", None),
    (Play(status=429, retry_after="3"), "rate_limited", 3.0),
    (Play(status=500), "server", None),
    (Play(status=529), "server", None),
    (Play(status=401), "refused_us", None),
    (Play(status=403), "refused_us", None),
    (Play(status=400), "refused_request", None),
]


@pytest.mark.parametrize(("play", "kind", "wait_s"), FREE, ids=lambda part: str(getattr(part, "status", "")))
def test_what_surely_was_not_begun_is_free_and_tried_once(
    faults: Faults, way: Provider, play: Play, kind: str, wait_s: float | None
) -> None:
    faults.plan(play)

    with pytest.raises(ProviderFault) as found:
        say(way)

    assert (found.value.kind, found.value.is_free, found.value.retry_after_s) == (kind, True, wait_s)
    assert KEY not in str(found.value)
    assert faults.totals()["requests"] == 1


@pytest.mark.parametrize("fault", ["stall", "reset", "slam", "cut", "malformed", "html", "error_event"])
def test_what_may_have_been_billed_is_never_free_and_tried_once(
    faults: Faults, way: Provider, fault: str
) -> None:
    faults.plan(Play(fault=fault, text="a b c d e f g h"))

    with pytest.raises(ProviderFault) as found:
        say(way, patience=Patience(first_token_s=1.5, silence_s=0.6, total_s=20))

    assert not found.value.is_free
    assert faults.totals()["requests"] <= 1


def test_silence_is_never_free(faults: Faults, way: Provider) -> None:
    faults.plan(Play(fault="silence"))

    with pytest.raises(ProviderFault) as found:
        say(way, patience=Patience(first_token_s=0.6, silence_s=0.6, total_s=20))

    assert (found.value.kind, found.value.is_free) == ("silent", False)


def test_nobody_there_is_free(faults: Faults, way: Provider) -> None:
    way.base_url = "http://127.0.0.1:9/v1"

    with pytest.raises(ProviderFault) as found:
        say(way)

    assert found.value.is_free


@pytest.mark.parametrize("tells", ["nothing", "nonsense"])
def test_an_answer_without_a_believable_bill_has_none(faults: Faults, way: Provider, tells: str) -> None:
    faults.plan(Play(tells=tells))

    said = say(way)

    assert said.text == "Hello."
    assert said.usage is None or not said.usage.is_plausible


def test_who_really_answered_is_told(faults: Faults, way: Provider) -> None:
    faults.plan(Play(served="another-model"))

    assert say(way).model == "another-model"


def test_a_bill_above_all_bounds_is_told_as_it_is(faults: Faults, way: Provider) -> None:
    faults.plan(Play(usage={"prompt": 900_000, "completion": 90_000}))

    usage = say(way).usage

    assert usage is not None
    assert (usage.prompt, usage.completion) == (900_000, 90_000)


@pytest.mark.drill
def test_litellm_lives_in_its_child_alone_and_is_replaced_when_it_dies(faults: Faults) -> None:
    way = Provider(name="mistral", protocol="litellm", base_url=f"{faults.url}/v1")
    say(way)
    first = transport._children[os.getpid(), "litellm"]
    maps = Path(f"/proc/{first.pid}/cmdline").read_bytes() + Path(f"/proc/{first.pid}/environ").read_bytes()

    os.kill(first.pid, signal.SIGKILL)
    while first.is_alive:
        time.sleep(0.01)
    again = say(way)

    assert "litellm" not in sys.modules
    assert KEY.encode() not in maps
    assert again.text == "Hello."
    assert transport._children[os.getpid(), "litellm"].pid != first.pid


@pytest.mark.drill
def test_a_child_that_hangs_is_replaced_before_a_call_is_given_to_it(
    faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = Provider(name="mistral", protocol="litellm", base_url=f"{faults.url}/v1")
    say(way)
    first = transport._children[os.getpid(), "litellm"]
    monkeypatch.setattr(transport, "_LITELLM_LOOK_S", 0.0)
    monkeypatch.setattr(transport, "_LITELLM_ANSWERS_S", 1.0)

    os.kill(first.pid, signal.SIGSTOP)
    again = say(way)

    assert again.text == "Hello."
    assert not first.is_alive


def test_a_child_that_does_not_start_is_a_fault_for_which_another_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "serve.py"
    broken.write_text("raise SystemExit(1)")
    monkeypatch.setattr("agents.gateway.adapters.child._LITELLM", broken)
    monkeypatch.setattr(transport, "_children", {})

    with pytest.raises(ProviderFault) as refused:
        transport.line_to(Provider(name="mistral", protocol="litellm"), mode=Mode.REAL, key=KEY)

    assert (refused.value.kind, refused.value.is_free) == ("unreachable", True)


@pytest.mark.drill
def test_no_module_of_ours_imports_litellm() -> None:
    names = [
        ".".join(path.with_suffix("").parts)
        for app in ("agents/gateway", "agents/runtime", "billing", "core")
        for path in sorted(Path(app).rglob("*.py"))
        if not {"migrations", "rehearsal", "litellm_child", "management"} & {*path.parts}
    ]
    code = (
        "import os, sys, importlib, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'factory.settings'; django.setup()\n"
        f"[importlib.import_module(name) for name in {names!r}]\n"
        "assert 'litellm' not in sys.modules and 'openai' not in sys.modules"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603

    assert done.returncode == 0, done.stderr
