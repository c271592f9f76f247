"""What a model call costs whoever makes it: bare httpx, the SDKs of OpenAI and LiteLLM, our gateway and its HTTP door.

    make bench-gateway              on SQLite, and on PostgreSQL when FACTORY_DATABASE_URL is set

One provider without delay on loopback; each row in a process of its own, three rounds in one run, and of each number the
median. CPU is that of the process that stands between caller and provider, so a busy machine blurs it less: for the door that
is its server. Ours holds the worst case durably before the call leaves, and books the bill. Beside them stands what they are
made of: a door by the same two libraries that only passes on, a hold and its settlement alone, and what a call costs inside
SQLite. Prints a table and one line of JSON.
"""

import argparse
import cProfile
import http.client
import json
import os
import pstats
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final, Literal

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
from bench.measure import cpu_s

HOME: Final = ROOT / "var" / "bench-gateway"
WORDS: Final = "hello " * 200
MODEL: Final = "gpt-5-mini"
ROOM: Final = 60
ROUNDS: Final = 3
TARGETS: Final = {"in process": ("httpx", 2.0), "door": ("litellm", 1 / 3)}
Call = Callable[[bool], None]


def main() -> int:
    """Measure every row and print what was found."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--calls", type=int, default=150, help="in every round")
    asked.add_argument(
        "--row", choices=[*ROWS, *SERVERS, "prepare"], help="one row, here; for this file itself"
    )
    asked.add_argument("--url", default="")
    told = asked.parse_args()
    if told.row:
        {**ROWS, **SERVERS, "prepare": prepare}[told.row](told)
        return 0
    with running("bench/provider.py") as url:
        homes = {name: home(name, url=url, database_url=base) for name, base in databases().items()}
        report(middle([one_round(url, homes, calls=told.calls) for _ in range(ROUNDS)]))
    return 0


def databases() -> dict[str, str]:
    """Return what our own rows stand on: SQLite, and PostgreSQL where its address is set."""
    server = os.environ.get("FACTORY_DATABASE_URL", "")
    return {"sqlite": ""} | ({"postgresql": server} if server else {})


def home(name: str, *, url: str, database_url: str) -> tuple[dict[str, str], str]:
    """Make a factory with nothing in it on one database; return its environment and an engine's token."""
    env = environment(HOME / name, database_url)
    shutil.rmtree(HOME / name, ignore_errors=True)
    return env, json.loads(this("prepare", url=url, env=env).splitlines()[-1])["token"]


def one_round(url: str, homes: dict[str, tuple[dict[str, str], str]], *, calls: int) -> dict[str, Any]:
    """Measure every row once."""
    found = {row: child(row, url=url, calls=calls) for row in ("httpx", "openai", "litellm")}
    with running("bench/gateway.py", "--row", "relay", "--url", url, env=dict(os.environ)) as door:
        found["passing on alone"] = through(door, token="", calls=calls)
    for name, (env, token) in homes.items():
        found[f"in process, {name}"] = child("ours", url=url, calls=calls, env=env)
        with running("bench/gateway.py", "--row", "serve", env=env) as door:
            found[f"door, {name}"] = through(door, token=token, calls=calls)
    return found


def middle(rounds: list[Any]) -> Any:
    """Return the median of every number of these rounds: a machine that others use is fast in one and slow in the next."""
    if isinstance(rounds[0], dict):
        return {key: middle([one[key] for one in rounds]) for key in rounds[0]}
    return round(median(rounds), 3)


def environment(home: Path, database_url: str) -> dict[str, str]:
    """Return the environment of a real factory with nothing in it."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FACTORY_")}
    more = {"FACTORY_DATABASE_URL": database_url} if database_url else {}
    return {**kept, **more, "FACTORY_HOME": str(home), "FACTORY_MODE": "real", "FACTORY_LOG_LEVEL": "WARNING",
            **{f"{maker}_API_KEY": "sk-bench-0123456789" for maker in ("OPENAI", "ANTHROPIC", "GEMINI", "MISTRAL", "GROQ")}}  # fmt: skip


@contextmanager
def running(*command: str, env: dict[str, str] | None = None) -> Iterator[str]:
    """Run a server that prints its address and ends with its input."""
    server = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    if not (server.stdin and server.stdout):
        raise RuntimeError
    try:
        yield f"{server.stdout.readline().strip()} {server.pid}".removesuffix("" if env else f" {server.pid}")
    finally:
        server.stdin.close()
        server.wait(30)
        server.stdout.close()


def this(row: str, *, url: str, calls: int = 0, env: dict[str, str] | None = None) -> str:
    """Run one row of this file in a process of its own and return what it printed."""
    command = [sys.executable, "bench/gateway.py", "--row", row, "--url", url, "--calls", str(calls)]
    done = subprocess.run(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True, timeout=900
    )
    return done.stdout


def child(row: str, *, url: str, calls: int, env: dict[str, str] | None = None) -> dict[str, Any]:
    """Return what one row found."""
    found: dict[str, Any] = json.loads(this(row, url=url, calls=calls, env=env).splitlines()[-1])
    return found


# ── Rows ──────────────────────────────────────────────────────────────────────────────────────────


def measured(call: Call, *, calls: int, cpu: Callable[[], float] = time.process_time) -> dict[str, Any]:
    """Return wall and CPU milliseconds of a call and of a stream."""
    found: dict[str, Any] = {}
    for shape, is_stream in (("call", False), ("stream", True)):
        for _ in range(20):
            call(is_stream)
        walls, began = [], cpu()
        for _ in range(calls):
            at = time.perf_counter()
            call(is_stream)
            walls.append((time.perf_counter() - at) * 1_000)
        found[shape] = {
            "cpu_ms": round((cpu() - began) * 1_000 / calls, 3), "p50_ms": round(median(walls), 3),
            "p99_ms": round(quantiles(walls, n=100)[98], 3),
        }  # fmt: skip
    return found


def say(found: dict[str, Any]) -> None:
    """Print what one row found."""
    sys.stdout.write(json.dumps(found) + "\n")


def body(*, is_stream: bool) -> dict[str, Any]:
    """Return the request every row makes."""
    asked = {"model": MODEL, "messages": [{"role": "user", "content": WORDS}], "max_completion_tokens": ROOM}
    return {**asked, "stream": True, "stream_options": {"include_usage": True}} if is_stream else asked


def row_httpx(told: argparse.Namespace) -> None:
    """The least a call can cost with the library we keep."""
    import httpx  # noqa: PLC0415 (each row loads what it measures)

    client, url, headers = httpx.Client(), f"{told.url}/v1/chat/completions", {"authorization": "Bearer x"}

    def call(is_stream: bool) -> None:  # noqa: FBT001
        if not is_stream:
            client.post(url, json=body(is_stream=False), headers=headers).json()
            return
        with client.stream("POST", url, json=body(is_stream=True), headers=headers) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: {"):
                    json.loads(line[6:])

    say(measured(call, calls=told.calls))


def row_openai(told: argparse.Namespace) -> None:
    """OpenAI's own SDK."""
    from openai import OpenAI  # noqa: PLC0415

    chat = OpenAI(api_key="x", base_url=f"{told.url}/v1").chat.completions

    def call(is_stream: bool) -> None:  # noqa: FBT001
        answer: Any = chat.create(**body(is_stream=is_stream))
        for _ in answer if is_stream else ():
            pass

    say(measured(call, calls=told.calls))


def row_litellm(told: argparse.Namespace) -> None:
    """LiteLLM's SDK."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm  # noqa: PLC0415

    litellm.suppress_debug_info, litellm.telemetry = True, False

    def call(is_stream: bool) -> None:  # noqa: FBT001
        asked = {
            **body(is_stream=is_stream),
            "model": f"openai/{MODEL}",
            "api_base": f"{told.url}/v1",
            "api_key": "x",
        }
        answer: Any = litellm.completion(**asked)
        for _ in answer if is_stream else ():
            pass

    say(measured(call, calls=told.calls))


def row_ours(told: argparse.Namespace) -> None:
    """Our gateway in process: a stream either way, because only a stream can be cut; held, booked and kept."""
    factory()
    from agents.gateway.models import Provider  # noqa: PLC0415
    from agents.gateway.ports import Ask, Intent, Message, Stop  # noqa: PLC0415
    from agents.gateway.services import complete  # noqa: PLC0415
    from billing.models import Scope  # noqa: PLC0415
    from core.ids import new_id  # noqa: PLC0415

    scopes = tuple(Scope.objects.filter(kind__in=("task", "product", "agent")).values_list("id", flat=True))
    url = told.url
    Provider.objects.filter(name="openai").update(base_url=url)

    def call(is_stream: bool) -> None:  # noqa: FBT001 (it always streams)
        ask = Ask(
            agent="Rex", assignment_id=new_id(), scopes=scopes, system="", messages=(Message("user", WORDS),),
            max_tokens=ROOM, intent=Intent(prefer_provider="openai"),
        )  # fmt: skip
        complete(ask, stop=Stop())

    found = measured(call, calls=told.calls)
    alone = {"held": held(scopes, told.calls), "inside": inside(call, calls=told.calls)}
    say({**found, "routing": decided(scopes), **alone})


def inside(call: Call, *, calls: int) -> dict[str, Any]:
    """Return what a call costs inside SQLite's own library, its statements and the ends of its two transactions."""
    profile = cProfile.Profile(time.thread_time)
    profile.enable()
    for _ in range(calls):
        call(False)
    profile.disable()
    told = pstats.Stats(profile).stats.items()  # type: ignore[attr-defined]
    spent = sum(line[2] for (_, _, name), line in told if "'sqlite3." in name)
    return {"cpu_ms": round(spent * 1_000 / calls, 3)}


def held(scopes: tuple[Any, ...], calls: int) -> dict[str, Any]:
    """Return what the hold of a call and its settlement cost alone."""
    from billing.services import capture_hold, place_hold  # noqa: PLC0415
    from core.ids import new_id  # noqa: PLC0415

    def pair() -> None:
        call_id = new_id()
        place_hold(
            scopes=scopes, bound_microusd=100, call_id=call_id, provider="openai", model=MODEL, tier="mid"
        )
        capture_hold(call_id, cost_microusd=60, agent="Rex", facts={"asked": MODEL})

    for _ in range(20):
        pair()
    began = time.process_time()
    for _ in range(calls):
        pair()
    return {"cpu_ms": round((time.process_time() - began) * 1_000 / calls, 3)}


def decided(scopes: tuple[Any, ...]) -> dict[str, Any]:
    """Return how long it takes to choose a model, and among how many."""
    from agents.gateway.ports import Ask, Intent, Message  # noqa: PLC0415
    from agents.gateway.services.routes import routes_for  # noqa: PLC0415
    from core.ids import new_id  # noqa: PLC0415

    ask = Ask(
        agent="Rex", assignment_id=new_id(), scopes=scopes, system="", messages=(Message("user", WORDS),),
        max_tokens=ROOM, intent=Intent(),
    )  # fmt: skip
    walls, began = [], time.process_time()
    for _ in range(1_000):
        at = time.perf_counter()
        found = routes_for(ask)
        walls.append((time.perf_counter() - at) * 1_000)
    cpu_ms = (time.process_time() - began) * 1_000 / len(walls)
    return {"models": len(found), "cpu_ms": round(cpu_ms, 3), "p50_ms": round(median(walls), 3), "p99_ms": round(quantiles(walls, n=100)[98], 3)}  # fmt: skip


def through(door: str, *, token: str, calls: int) -> dict[str, Any]:
    """Our HTTP door, asked by a client that costs next to nothing; the CPU is the server's."""
    address, _, pid = door.partition(" ")
    line = http.client.HTTPConnection(address.removeprefix("http://"))
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    def call(is_stream: bool) -> None:  # noqa: FBT001
        line.request("POST", "/v1/chat/completions", json.dumps(body(is_stream=is_stream)), headers)
        answer = line.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise RuntimeError(said)

    return measured(call, calls=calls, cpu=lambda: cpu_s(int(pid)))


ROWS: Final = {"httpx": row_httpx, "openai": row_openai, "litellm": row_litellm, "ours": row_ours}


# ── A factory of its own ──────────────────────────────────────────────────────────────────────────


def factory() -> None:
    """Let this process be part of the factory in FACTORY_HOME."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factory.settings")
    import django  # noqa: PLC0415

    django.setup()


def prepare(told: argparse.Namespace) -> None:
    """Make a factory with every scope a call can have, and one engine's token; print the token."""
    factory()
    from datetime import timedelta  # noqa: PLC0415

    from django.core.management import call_command  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    from agents.gateway.models import Provider  # noqa: PLC0415
    from agents.gateway.services import sync_prices  # noqa: PLC0415
    from agents.gateway.services.sessions import make_session_token  # noqa: PLC0415
    from billing.services import factory_scope, set_limit  # noqa: PLC0415
    from core.services import found_installation  # noqa: PLC0415
    from tests.builders import a_scope, an_agent, an_assignment  # noqa: PLC0415

    found_installation("real")
    sync_prices()
    Provider.objects.filter(name="openai").update(base_url=told.url)
    agent, much = an_agent(front={"limits": {"requests_per_min": 10_000}}), 1_000_000_000
    for scope in (agent.scope, factory_scope()):
        set_limit(scope, period="day", cap_microusd=much)
    paying = [agent.scope, *(a_scope(kind=kind, life=much) for kind in ("task", "product"))]
    assignment = an_assignment(agent, scopes=tuple(scope.id for scope in paying))
    ends = timezone.now() + timedelta(hours=1)
    say({"token": make_session_token(assignment, cap_microusd=much, expires_at=ends)})


def serve(told: argparse.Namespace) -> None:
    """Serve the factory's pages and doors until our input ends."""
    factory()
    _serve("factory.asgi:application")


def relay(told: argparse.Namespace) -> None:
    """Serve a door with nothing behind it: what comes is passed on, and so is the answer."""
    import aiohttp  # noqa: PLC0415

    sessions: list[aiohttp.ClientSession] = []
    headers = {"authorization": "Bearer x", "content-type": "application/json"}

    async def live(receive: Any, send: Any) -> None:
        async with aiohttp.ClientSession(told.url, cookie_jar=aiohttp.DummyCookieJar()) as session:
            sessions.append(session)
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def door(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await live(receive, send)
            return
        asked = bytearray()
        while (message := await receive())["type"] == "http.request":
            asked += message.get("body", b"")
            if not message.get("more_body"):
                break
        async with sessions[0].post(scope["path"], data=bytes(asked), headers=headers) as answer:
            await send({"type": "http.response.start", "status": answer.status})
            async for part in answer.content.iter_any():
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body"})

    _serve(door, lifespan="on")


def _serve(application: Any, *, lifespan: Literal["on", "off"] = "off") -> None:
    import socket  # noqa: PLC0415

    import uvicorn  # noqa: PLC0415

    ear = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(application, lifespan=lifespan, log_config=None, access_log=False)
    server = uvicorn.Server(config)

    def end() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=end, daemon=True).start()
    sys.stdout.write(f"http://127.0.0.1:{ear.getsockname()[1]}\n")
    sys.stdout.flush()
    server.run(sockets=[ear])


SERVERS: Final = {"serve": serve, "relay": relay}


def report(found: dict[str, Any]) -> None:
    """Print the table: milliseconds, and CPU as ratios to bare httpx and to LiteLLM's SDK; then one line of JSON."""
    write = sys.stdout.write
    write(f"{'':24}{'CPU ms':>9}{'p50 ms':>9}{'p99 ms':>9}{'x httpx':>9}{'x litellm':>10}\n")
    for shape, name in (("call", "a call"), ("stream", "a stream of 51 chunks")):
        write(f"{name}\n")
        for row, told in found.items():
            one = told[shape]
            one |= {f"x_{base}": round(one["cpu_ms"] / found[base][shape]["cpu_ms"], 3) for base in ("httpx", "litellm")}  # fmt: skip
            write(f"  {row:22}{one['cpu_ms']:9.2f}{one['p50_ms']:9.2f}{one['p99_ms']:9.2f}{one['x_httpx']:9.2f}{one['x_litellm']:10.3f}\n")  # fmt: skip
    for row, told in found.items():
        write(verdict(row, told, found))
    write(json.dumps(found) + "\n")


def verdict(row: str, told: dict[str, Any], found: dict[str, Any]) -> str:
    """Return in words what one row of ours was wanted to be, and what no row of ours can be below."""
    said, bases = "", ("httpx", "litellm", "passing on alone")
    least, theirs, passed_on = (found[base]["call"]["cpu_ms"] for base in bases)
    if routing := told.get("routing"):
        said += f"a choice among {routing['models']} models, {row}: CPU {routing['cpu_ms']} ms, p99 {routing['p99_ms']} ms\n"
    if alone := told.get("held"):
        said += f"the hold and its settlement alone, {row}: CPU {alone['cpu_ms']} ms, {alone['cpu_ms'] / least:.2f} x httpx's call\n"
    if inner := told.get("inside", {}).get("cpu_ms"):
        said += f"inside SQLite alone, {row}: CPU {inner} ms, {inner / least:.2f} x httpx's call; with passing on {(inner + passed_on) / theirs:.2f} x litellm's\n"
    for kind, (base, most) in TARGETS.items():
        if row.startswith(kind):
            said += f"{row}: a call {told['call'][f'x_{base}']:.2f}, a stream {told['stream'][f'x_{base}']:.2f} x {base}; wanted {most:.2f}\n"
    return said


if __name__ == "__main__":
    raise SystemExit(main())
