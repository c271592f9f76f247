"""The routes carried out by Caddy: launches and weights are small files that it reads at every request.

So its configuration, one for each port, never changes: loading one closes idle connections and loses requests.
"""

import shutil
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .launch import address_of
from .process import read_json, write_private
from .table import Listener, Route, read_routes

Json = dict[str, Any]

BODY_BYTES, HOLD_S, GRACE_S = 10_000_000, 8, 30
USERS_FAULT = ("invalid byte in chunk", "http: request body", "malformed", "http: invalid", "read tcp")
NOBODY = "unix//nonexistent/slot"  # every dial fails, so that requests wait and are not refused
UP, LATENCY = "{http.reverse_proxy.upstream.address}", "{http.reverse_proxy.upstream.latency_ms}"
FAULT, STATUS, METHOD = "{http.error.message}", "{http.error.status_code}", "{http.request.method}"
NOT_LOGGED = "request>headers request>tls request>remote_port request>client_ip request>proto resp_headers user_id level ts"


def put_routes(routes: Mapping[str, Route], *, home: Path, run: Path) -> None:
    """Bring these routes, and no others, into force at the next request, and note them for the next keeper."""
    for name, route in routes.items():
        folder = home / "route" / name
        folder.mkdir(parents=True, exist_ok=True)
        for what, text in files_of(route, run=run).items():
            path = folder / what
            if not path.exists() or path.read_text() != text:
                fresh = folder / f"{what}.new"
                fresh.write_text(text)
                fresh.replace(path)
    write_private(home / "routes.json", {name: asdict(route) for name, route in routes.items()})
    for folder in (home / "route").glob("*"):
        if folder.name not in routes:
            shutil.rmtree(folder, ignore_errors=True)


def noted_routes(home: Path) -> dict[str, Route]:
    """The routes that were in force when the last keeper died; none, when one of another version wrote them."""
    try:
        return read_routes(read_json(home / "routes.json"))
    except TypeError:
        return {}


def files_of(route: Route, *, run: Path) -> dict[str, str]:
    """What Caddy reads per request, in the order in which it must change.

    A visitor's id is compared with `point` as text, so that a rising weight only adds visitors to the candidate.
    """
    salt = f"{zlib.crc32(route.salt.encode()):08x}" if 0 < route.weight < 100 else ""
    point = f"{salt}{int(route.weight * 655.36):04x}" if salt else "~" if route.weight >= 100 else ""
    slots = {"stable": _dial(route.stable, run), "candidate": _dial(route.candidate, run)}
    ways = {"salt": salt, "point": point}
    if point:  # nobody is sent to a candidate that is not written yet, nor to one that is gone
        return slots | ways
    return {"stable": slots["stable"], "point": point, "candidate": slots["candidate"], "salt": salt}


def _dial(key: str | None, run: Path) -> str:
    return f"unix/{address_of(run, key)}" if key else NOBODY


def config(listener: Listener, *, home: Path, folder: Path, door: str, fd: int) -> Json:
    """The whole configuration of the Caddy that lives in `folder`, whatever the slots and weights are."""
    server = _server(home / "route" / listener.product, kind=listener.kind, fd=fd)
    return {
        "admin": {"listen": f"unix/{door}|0600", "config": {"persist": False}},
        "storage": {"module": "file_system", "root": str(folder / "storage")},
        "logging": {"logs": _logs(folder)},
        "apps": {"http": {"grace_period": f"{GRACE_S}s", "servers": {listener.kind: server}}},
    }


def _logs(folder: Path) -> Json:
    ours = ["http.log.access", "http.handlers.reverse_proxy"]
    file = {"output": "file", "filename": str(folder / "access.log"), "mode": "0600"}
    rolls = {"roll_size_mb": 16, "roll_keep": 2, "roll_gzip": False}
    fields: Json = {field: {"filter": "delete"} for field in NOT_LOGGED.split()}
    fields["request>uri"] = {
        "filter": "regexp",
        "regexp": r"\?.*",
        "value": "",
    }  # it may hold a user's secret
    quiet = {"format": "filter", "wrap": {"format": "json"}, "fields": fields}
    return {
        "default": {"level": "WARN", "writer": {"output": "stderr"}, "exclude": [*ours, "http.log.error"]},
        "edge": {"level": "INFO", "writer": file | rolls, "include": ours, "encoder": quiet},
    }


def _server(folder: Path, *, kind: str, fd: int) -> Json:
    ways = _split(folder) if kind == "split" else [{"handle": _to(folder, "candidate", hold=True)}]
    refuse = [_note("up1", UP, early=True), _note("err", FAULT, early=True)]
    errors = [
        {"match": _when(_users_fault()), "handle": [*refuse, _refusal("400")], "terminal": True},
        *([_second_try(folder)] if kind == "split" else []),
        {"handle": [*refuse, _refusal(STATUS)]},
    ]
    return {
        "listen": [f"fd/{fd}"],
        "protocols": ["h1"],
        "automatic_https": {"disable": True},
        "routes": [_too_large(), {"handle": [{"handler": "request_body", "max_size": BODY_BYTES}]}, *ways],
        "errors": {"routes": errors},
        "logs": {"default_logger_name": f"{folder.name}.{kind}"},
        "read_header_timeout": "10s",
        "idle_timeout": "75s",
        "read_timeout": "60s",
        "read_idle_timeout": -1,  # its default of a minute defeats every limit on stalled uploads
        "max_header_bytes": 12_288,
    }


def _split(folder: Path) -> list[Json]:
    """Who goes to the candidate: a cookie that begins with this release's salt, compared with `point`."""
    salt, visitor, cookie = "{http.vars.salt}", "{http.vars.visitor}", "{http.request.cookie.edge_visitor}"
    fresh = {"Set-Cookie": [f"edge_visitor={visitor}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"]}
    known = {"handler": "vars", "visitor": cookie}
    new = {"handler": "vars", "visitor": f"{salt}{{http.request.uuid}}"}
    return [
        {"handle": [{"handler": "vars", "visitor": "", **{w: _read(folder, w) for w in ("salt", "point")}}]},
        {"match": _when(f'{salt} != "" && {cookie}.startsWith({salt})'), "handle": [known]},
        {
            "match": _when(f'{salt} != "" && {visitor} == ""'),
            "handle": [new, {"handler": "headers", "response": {"add": fresh}}],
        },
        {
            "match": _when(visitor + " < {http.vars.point}"),
            "handle": _to(folder, "candidate", hold=False),
            "terminal": True,
        },
        {"handle": _to(folder, "stable", hold=True)},
    ]


def _to(folder: Path, slot: str, *, hold: bool) -> list[Json]:
    noted = [_note("slot", slot, early=True), _note("up0", _read(folder, slot), early=True)]
    return [
        *noted,
        {"handler": "vars", "slot": slot},
        *_late_notes(),
        _proxy(_read(folder, slot), hold_s=HOLD_S if hold else 0),
    ]


def _late_notes() -> list[Json]:
    return [_note("up", UP), _note("dials", "{http.reverse_proxy.retries}"), _note("latency", LATENCY)]


def _second_try(folder: Path) -> Json:
    """Any method after a refused dial of a candidate (nothing was sent); a GET once more after it was sent in vain."""
    dialled = f'{FAULT}.startsWith("dial ")'
    harmless = (
        f'{METHOD} in ["GET", "HEAD", "OPTIONS"] && {{http.request.header.Content-Length}} in ["", "0"]'
    )
    match = f'{{http.vars.slot}} == "candidate" && {dialled} || !{dialled} && {STATUS} == 502 && {harmless}'
    # A dying process may still listen for some ms, and a proxy to nobody is the only pause that Caddy knows.
    pause = _proxy(NOBODY, hold_s=0) | {"load_balancing": {"try_duration": "150ms", "try_interval": "150ms"}}
    stable = [*_late_notes(), _proxy(_read(folder, "stable"), hold_s=HOLD_S)]
    later = {
        "handler": "subroute",
        "routes": [{"handle": [pause]}],
        "errors": {"routes": [{"handle": stable}]},
    }
    notes = [_note("up1", UP, early=True), _note("err1", FAULT, early=True), _note("again", "y")]
    return {"match": _when(match), "handle": [*notes, later], "terminal": True}


def _proxy(dial: str, *, hold_s: int) -> Json:
    """One try, or dials again for `hold_s`; what was sent is never sent again here (the matcher matches nothing)."""
    wait = {"try_duration": f"{hold_s}s", "try_interval": "50ms", "retry_match": [{"method": ["NONE"]}]}
    transport = {"protocol": "http", "keep_alive": {"enabled": False}, "compression": False}
    proxy = {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": dial}],
        "stream_close_delay": "1h",
        "flush_interval": 0,
        "headers": {"request": {"delete": ["X-Edge-*", "Forwarded", "X-Real-Ip"]}},
        "transport": transport | {"dial_timeout": "2s", "response_header_timeout": "60s"},
    }
    return proxy | ({"load_balancing": wait} if hold_s else {})


def _too_large() -> Json:
    """`max_size` waits for the bytes; a length that is said beforehand is refused at once."""
    said = {"header_regexp": {"Content-Length": {"pattern": "^[0-9]{8,}$"}}}
    refusal = {"handler": "static_response", "status_code": 413, "close": True}
    return {"match": [said], "handle": [refusal], "terminal": True}


def _users_fault() -> str:
    """A body that breaks the protocol, which Caddy calls a bad gateway."""
    starts = " || ".join(f'{FAULT}.startsWith("{start}")' for start in USERS_FAULT)
    return f"{STATUS} == 502 && ({starts})"


def _refusal(status: str) -> Json:
    return {"handler": "static_response", "status_code": status, "headers": {"X-Edge": ["refused"]}}


def _read(folder: Path, what: str) -> str:
    return f"{{file.{folder / what}}}"


def _when(expression: str) -> list[Json]:
    return [{"expression": expression}]


def _note(key: str, value: str, *, early: bool = False) -> Json:
    return {"handler": "log_append", "key": key, "value": value, "early": early}
