"""Nobody but the gateway can call a provider: no other module has its library, or its key."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from agents.runtime.services.commands import run_command
from core.registry import Stop, ToolContext
from tests.builders import an_agent, an_assignment

ROOT = Path(__file__).parents[3]
PACKAGES = ("core", "approvals", "billing", "agents", "portfolio", "factory")
HOUSE = "agents/gateway/adapters/"
SDKS = {"openai", "anthropic", "litellm", "google", "groq", "mistralai", "cohere", "ollama", "together"}
CLIENTS = {"httpx", "requests", "aiohttp", "urllib3", "http.client", "urllib.request", "httpcore"}
ELSEWHERE = {
    "core/adapters/node_line.py": "a GPU host asks its factory for work",
    "core/adapters/tls.py": "certificates for the others",
    "core/adapters/notices.py": "the owner's own address for alarms",
    "core/services/node.py": "errors of the line above",
    "core/tasks.py": "errors of the line above",
    "factory/quality/adapters/journeys.py": "products are tried as visitors do",
    "factory/quality/adapters/running.py": "products are tried as visitors do",
    "factory/delivery/services/watch.py": "released products are probed",
    "factory/delivery/services/trial.py": "released products are probed",
    "factory/delivery/adapters/edge/launch.py": "products are probed on their sockets",
    "factory/insight/adapters/langfuse.py": "traces, redacted, to the owner's own Langfuse",
    "factory/console/adapters/customers.py": "simulated customers of the demo",
    "factory/console/management/simulated.py": "the simulated owner of the demo",
    "factory/console/management/verbs/demo.py": "the demo waits for its own pages",
}
"""Who else speaks HTTP, and with whom; never with a provider of models."""
KEEPERS = {"keyring", "secret_box"}
HOOKS = "factory/pipeline/services/hooks.py"
"""Opens secrets of its own: those that sign what others send us."""


@cache
def imports() -> frozenset[tuple[str, str]]:
    """Return every module of ours with every name it imports, wherever in it."""
    return frozenset(_imports())


def _imports() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            where = str(path.relative_to(ROOT))
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.Import):
                    yield from ((where, alias.name) for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module:
                    yield where, node.module
                    yield from ((where, f"{node.module}.{alias.name}") for alias in node.names)


def test_no_module_outside_the_gateways_adapters_has_a_providers_library() -> None:
    found = {where for where, name in imports() if name.partition(".")[0] in SDKS}

    assert {where for where in found if not where.startswith(HOUSE)} == set()


def test_whoever_else_speaks_http_is_known_and_speaks_with_nobody_of_that_kind() -> None:
    found = {where for where, name in imports() if name in CLIENTS or name.partition(".")[0] in CLIENTS}

    assert {where for where in found if not where.startswith(HOUSE)} <= ELSEWHERE.keys()


def test_only_the_gateway_can_ask_for_a_providers_key() -> None:
    found = {where for where, name in imports() if name.rpartition(".")[2] in ("key_of", "unseal") and
             name.rpartition(".")[0].rpartition(".")[2] in KEEPERS}  # fmt: skip

    assert {where for where in found if not where.startswith("agents/gateway/")} == {HOOKS}


def test_a_command_of_an_agent_sees_no_key_in_its_environment(
    db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-0123456789")
    workspace, program = tmp_path / "work", tmp_path / "bin" / "show"
    workspace.mkdir()
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexport\ncat /proc/$PPID/cmdline\n")
    program.chmod(0o755)
    assignment = an_assignment(an_agent(), inputs={"python": str(program.parent / "python")})

    said = run_command(ToolContext(assignment, workspace, Stop()), "show")

    assert "HOME" in said
    assert "sk-secret" not in said
