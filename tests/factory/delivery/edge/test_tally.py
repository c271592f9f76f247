"""Counting from the access log: every try at its launch, every request at its site, once, whatever is killed or rolled."""

import json
import shutil
from pathlib import Path
from typing import Any

from factory.delivery.adapters.edge.tally import Tally


def line(**more: Any) -> str:
    """One request's line, answered by the launch `a` unless more is said."""
    said = {
        "logger": "http.log.access.shop.split",
        "msg": "handled request",
        "request": {"remote_ip": "127.0.0.1", "method": "GET", "uri": "/"},
        "status": 200,
        "duration": 0.002,
        "slot": "stable",
        "up0": "unix//run/a.sock",
        "up": "unix//run/a.sock",
        "latency": 1.5,
        "dials": 0,
    }
    return json.dumps({key: value for key, value in (said | more).items() if value is not None}) + "\n"


def tally_of(folder: Path) -> Tally:
    """A keeper's tally, as after its start."""
    return Tally(folder, subject_of=lambda address: f"shop.{Path(address).stem}")


def log_of(folder: Path, *, proxy: str = "8000-a") -> Path:
    """Where one Caddy writes its lines."""
    (folder / "proxies" / proxy).mkdir(parents=True, exist_ok=True)
    return folder / "proxies" / proxy / "access.log"


def test_counters_survive_keepers_and_rolled_logs_and_count_each_line_once(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    log.write_text(line() + line(status=500) + line()[:30])
    tally_of(tmp_path).read()
    with log.open("a") as file:
        file.write(line()[30:] + line())
    log.rename(log.with_name("access-2026-01-01T00-00-00.000.log"))
    log.write_text(line() + line(logger="http.log.access.shop.preview"))

    reborn = tally_of(tmp_path)
    reborn.read()
    reborn.read()

    assert reborn.counts["shop"]["answers"] == 5
    assert reborn.counts["shop"]["errors_5xx"] == 1
    assert reborn.counts["shop.preview"]["answers"] == 1
    assert reborn.counts["shop.a"]["answers"] == 6


def test_every_proxy_is_counted_and_one_that_is_gone_stays_counted(tmp_path: Path) -> None:
    gone, stays = log_of(tmp_path), log_of(tmp_path, proxy="8001-b")
    gone.write_text(line() + line())
    stays.write_text(line())
    tally_of(tmp_path).read()
    shutil.rmtree(gone.parent)
    with stays.open("a") as file:
        file.write(line())

    reborn = tally_of(tmp_path)
    reborn.read()

    assert reborn.counts["shop"]["answers"] == 4
    assert tally_of(tmp_path).logs.keys() == {"8001-b"}


def test_a_refused_candidate_and_the_stable_launch_that_answered_are_both_counted(tmp_path: Path) -> None:
    refused = {"err1": "dial unix /run/b.sock: connect: refused", "up1": "unix//run/b.sock", "again": "y"}
    log_of(tmp_path).write_text(line(slot="candidate", up0="unix//run/b.sock", **refused))

    tally = tally_of(tmp_path)
    tally.read()

    assert tally.counts["shop.b"]["connect_errors"] == 1
    assert tally.counts["shop.b"]["answers"] == 0
    assert tally.counts["shop.a"]["answers"] == 1
    assert (tally.counts["shop"]["answers"], tally.counts["shop"]["edge_5xx"]) == (1, 0)


def test_a_torn_answer_is_the_products_fault_and_a_user_who_left_is_not(tmp_path: Path) -> None:
    torn = {"up": None, "latency": None, "dials": None}
    warning = {"msg": "aborting with incomplete response", "logger": "http.handlers.reverse_proxy"}
    request = {"request": {"remote_ip": "127.0.0.1", "method": "GET", "uri": "/"}}
    log_of(tmp_path).write_text(
        json.dumps(warning | request | {"error": "reading: unexpected EOF"})
        + "\n"
        + line(**torn)
        + json.dumps(warning | request | {"error": "writing: broken pipe"})
        + "\n"
        + line(**torn)
        + line(status=499, up=None, latency=None, err="context canceled", up1="unix//run/a.sock")
    )

    tally = tally_of(tmp_path)
    tally.read()

    assert (tally.counts["shop"]["cut"], tally.counts["shop"]["client_gone"]) == (1, 2)
    assert (tally.counts["shop.a"]["cut"], tally.counts["shop.a"]["broken"]) == (1, 0)
    assert tally.counts["shop"]["answers"] == 0
