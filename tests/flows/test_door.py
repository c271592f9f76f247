"""The models' door of a real factory, run as people run it: what it does with the owner's key, and what an engine sees."""

import json
import os
from pathlib import Path

import httpx
import pytest

from core.adapters.tls import trusted
from tests.faults.client import faulty_provider
from tests.faults.play import Play
from tests.flows.stack import Stack, a_stack
from tests.flows.test_first_day import told

pytestmark = pytest.mark.drill
KEY = "sk-proj-The0wnersOwnKey-0123456789abcdef"
STORED = "sk-ant-The0wnersStoredKey-0123456789abcdef"
ASK = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hello"}], "max_completion_tokens": 40}
BEGIN = """
import json
from datetime import timedelta
from django.utils import timezone
from agents.gateway.services.sessions import make_session_token
from tests.builders import an_assignment
from agents.roster.models import Agent
agent = Agent.objects.get(name="Rex")
Agent.objects.filter(pk=agent.pk).update(is_enabled=True)
agent.refresh_from_db()
ends = timezone.now() + timedelta(hours=1)
print(json.dumps(make_session_token(an_assignment(agent), cap_microusd=1_000_000, expires_at=ends)))
"""


def test_the_owners_keys_reach_their_providers_and_nothing_else(tmp_path: Path) -> None:
    with faulty_provider() as faults:
        urls = {"OPENAI_BASE_URL": faults.url, "ANTHROPIC_BASE_URL": faults.url}
        more = {"FACTORY_MODE": "real", "OPENAI_API_KEY": KEY, **urls}
        faults.admit(KEY, STORED)
        with a_stack(tmp_path / "home", more=more) as stack:
            given = told(stack, "key", "set", "anthropic", "--stdin", secret=STORED)
            assert given.code == 0, given.err
            proofs = len(faults.calls())
            faults.plan(Play(), Play(), Play(status=401))
            token = stack.python(BEGIN)
            answers = [ask(stack, token, **extra) for extra in ({}, {"stream": True}, {"n": -1}, {})]

            assert [answer.status_code for answer in answers] == [200, 200, 400, 503], answers[0].text
            assert len(faults.calls()) - proofs == 3
            assert processes_that_know(KEY) <= {child.pid for child in stack.children.values()}
            assert processes_that_know(STORED) == set()
            for secret in (KEY, STORED, token):
                assert files_with(secret, below=stack.home) == []
                assert tables_with(secret, stack) == []
            assert STORED not in given.sentence
            assert KEY not in "".join(answer.text for answer in answers)


def ask(stack: Stack, token: str, **extra: object) -> httpx.Response:
    """Ask at the door as an engine does."""
    headers = {"authorization": f"Bearer {token}"}
    url = f"{stack.address}/v1/chat/completions"
    return httpx.post(
        url, json={**ASK, **extra}, headers=headers, timeout=60, trust_env=False, verify=trusted()
    )


def processes_that_know(secret: str) -> set[int]:
    """Return the processes that show `secret` in their command line or environment; those of this test itself aside."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            shown = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if secret.encode() in shown and int(folder.name) != os.getpid():
            found.add(int(folder.name))
    return found


def tables_with(secret: str, stack: Stack) -> list[str]:
    """Return every table of a server's database in which `secret` stands; SQLite's is one of the files."""
    if stack.profile != "full":
        return []
    tables = [
        row["name"]
        for row in stack.rows("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'")
    ]
    assert "gateway_providerkey" in tables
    holds = 'SELECT count(*) FROM "{}" row WHERE row::text LIKE ?'
    return [name for name in tables if stack.value(holds.format(name), f"%{secret}%")]


def files_with(secret: str, *, below: Path) -> list[str]:
    """Return every file that holds `secret`, as it is or as JSON tells it."""
    words = (secret.encode(), json.dumps(secret)[1:-1].encode())
    files = [path for path in below.rglob("*") if path.is_file() and not path.is_symlink()]
    return [str(path) for path in files if any(word in path.read_bytes() for word in words)]
