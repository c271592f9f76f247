"""The model is a function of request and seed, in a house with nothing in it."""

import ast
import json
import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from agents.gateway.adapters import child, rehearsal
from agents.gateway.adapters.rehearsal.answer import answer
from agents.gateway.adapters.rehearsal.dice import Dice, Seed
from core.adapters.tls import trusted
from factory.pipeline.rules.answers import BLUEPRINT, PLAN, RESEARCH
from tests.agents.gateway.rehearsal.asks import IDEAS, anthropic_body, openai_body, structured

HERE = Path(rehearsal.__file__).parent
Serving = Callable[[str], child.Process]
REQUESTS = [
    *(("/v1/chat/completions", structured(schema, f"<idea>{idea}</idea>")) for schema in (BLUEPRINT, PLAN, RESEARCH) for idea in IDEAS.values()),
    *(("/v1/messages", anthropic_body({"role": "user", "content": f"Say something about {idea}"})) for idea in IDEAS.values()),
    ("/v1/chat/completions", openai_body()),
]  # fmt: skip


def test_equal_requests_get_equal_bytes_in_any_order_process_and_crowd(serving: Serving) -> None:
    bodies = [(path, json.dumps(body).encode()) for path, body in REQUESTS]
    here = [b"".join(answer(path, body, seed=Seed.read("5")).frames) for path, body in bodies]

    for turn, crowd in ((1, 1), (2, 8)):
        process = serving("5")
        order = random.Random(turn).sample(range(len(bodies)), len(bodies)) * 2  # noqa: S311  a shuffle
        wire = httpx.HTTPTransport(uds=str(process.path), verify=trusted())
        with httpx.Client(transport=wire, timeout=60) as client, ThreadPoolExecutor(crowd) as pool:
            asked = pool.map(
                lambda n: client.post(f"http://x{bodies[n][0]}", content=bodies[n][1]).content, order
            )
            assert [here[n] for n in order] == list(asked)


def test_another_seed_is_another_world() -> None:
    path, body = REQUESTS[0]
    raw = json.dumps(body).encode()

    answers = {b"".join(answer(path, raw, seed=Seed(n)).frames) for n in range(8)}

    assert len(answers) > 1


def test_the_child_has_no_environment_no_folder_and_only_sockets(serving: Serving) -> None:
    process = serving("5")
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(process.path), verify=trusted())) as client:
        assert client.post(
            "http://x/v1/messages", json=anthropic_body({"role": "user", "content": "hi"})
        ).is_success

    proc = Path("/proc") / str(process.pid)
    held = {
        str(fd.readlink()).split(":")[0] for fd in (proc / "fd").iterdir() if fd.exists() or fd.is_symlink()
    }

    assert (proc / "environ").read_bytes() == b""
    assert (proc / "cwd").readlink() == Path("/")
    assert held <= {"/dev/null", "anon_inode", "socket", "pipe"}


@pytest.mark.parametrize(
    "slip",
    ["open('/etc/hostname')", "import sqlite3", "import subprocess; subprocess.run(['true'])", "os.listdir('/')",
     "socket.create_connection(('127.0.0.1', 9))"],
)  # fmt: skip
def test_after_the_first_request_a_slip_is_an_error(slip: str) -> None:
    code = "\n".join([
        "import os, runpy, socket, subprocess, sys", f"sys.path.append({str(HERE.parent)!r})",
        "server = runpy.run_module('rehearsal.server')", "server['shut_doors']()",
        "try:", f"    {slip}", "except PermissionError:", "    print('refused')",
    ])  # fmt: skip

    ran = subprocess.run(  # noqa: S603  our own words
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, env={}, check=False
    )

    assert ran.stdout == "refused\n", ran.stderr


def test_the_child_ends_with_its_parent_however_that_ends(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from agents.gateway.adapters import child;"
        f"print(child.start('5', Path({str(tmp_path / 's')!r})).pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(  # noqa: S603  our own words
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=HERE.parents[3]
    )
    assert parent.stdout
    pid = int(parent.stdout.readline())
    watched = os.pidfd_open(pid)

    parent.send_signal(signal.SIGKILL)
    parent.communicate()

    ready, _, _ = select.select([watched], [], [], 10)
    assert ready
    os.close(watched)


def test_stop_ends_the_child_and_may_come_twice(tmp_path: Path) -> None:
    process = child.start("5", tmp_path / "s")

    process.stop()
    process.stop()

    assert not process.path.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_a_socket_left_by_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    first = child.start("5", tmp_path / "s")
    os.kill(first.pid, signal.SIGKILL)

    second = child.start("5", tmp_path / "s")

    with httpx.Client(transport=httpx.HTTPTransport(uds=str(second.path), verify=trusted())) as client:
        assert client.get("http://x/").status_code == 400
    first.stop()
    second.stop()


def test_the_package_imports_nothing_of_ours_and_touches_the_outside_only_at_its_door() -> None:
    outside = {
        "os",
        "time",
        "random",
        "secrets",
        "uuid",
        "socket",
        "subprocess",
        "threading",
        "sqlite3",
        "urllib",
        "uvicorn",
    }
    seen = {(file.name, name) for file in HERE.rglob("*.py") for name in _imported(file)}

    assert {name for _, name in seen} <= {*sys.stdlib_module_names, "uvicorn"}
    assert {file for file, name in seen if name in outside} == {"server.py"}


def _imported(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    froms = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0}
    return {name.partition(".")[0] for name in plain | froms}


def test_what_changes_from_run_to_run_does_not_change_the_dice() -> None:
    first = Dice(
        1, "Ran 5 tests in 0.089s at /tmp/a1/x on 127.0.0.1:4411 for 0197a4c2-11aa-7bcd-8e00-aa11bb22cc33"
    )
    again = Dice(1, "Ran 7 tests in 1.2s at /var/b/y on 127.0.0.1:9 for 0197b5d3-22bb-7cde-9f11-bb22cc33dd44")

    assert first.number("x") == again.number("x")
    assert first.number("x") != Dice(1, "something else").number("x")
