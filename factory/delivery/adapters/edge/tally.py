"""Counters by launch and site from the Caddies' access logs: one line a request, all its tries in it."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .process import read_json, write_private
from .routes import USERS_FAULT

LAUNCH = ("answers", "errors_5xx", "connect_errors", "broken", "cut")
SITE = ("answers", "errors_5xx", "edge_4xx", "edge_5xx", "cut", "client_gone", "retried")
Counts = dict[str, Any]


def upper_us(seconds: float) -> int:
    """Upper edge of a duration's cell in microseconds: 16 cells per doubling, so at most 6 % wide."""
    us = max(16, int(seconds * 1e6))
    step = us.bit_length() - 5
    return ((us >> step) + 1) << step


@dataclass
class Log:
    """How far the access log of one Caddy was read, and the torn answers whose own line is still to come."""

    folder: Path
    inode: int = 0
    offset: int = 0
    torn: dict[tuple[Any, ...], str] = field(default_factory=dict)

    def fresh_lines(self) -> Iterator[bytes]:
        """The whole lines since the last time; files that were rolled away meanwhile are read to their end first."""
        for path in self._unread():
            with path.open("rb") as file:
                inode = os.fstat(file.fileno()).st_ino
                self.offset = self.offset if inode == self.inode else 0
                self.inode = inode
                file.seek(self.offset)
                whole, newline, _ = file.read().rpartition(b"\n")
            self.offset += len(whole) + len(newline)
            yield from whole.splitlines()

    def _unread(self) -> list[Path]:
        found = sorted(
            self.folder.glob("access*.log"), key=lambda path: (path.name == "access.log", path.name)
        )
        known = [n for n, path in enumerate(found) if path.stat().st_ino == self.inode]
        return found[known[0] :] if known else found


class Tally:
    """Cumulative counters that outlive keeper and log files; they never fall."""

    def __init__(self, home: Path, *, subject_of: Callable[[str], str]) -> None:
        self.proxies, self.store, self.subject_of = home / "proxies", home / "tally.json", subject_of
        kept = read_json(self.store) or {}
        self.counts: dict[str, Counts] = kept.get("counts", {})
        self.logs = {name: Log(self.proxies / name, *place) for name, place in kept.get("read", {}).items()}

    def read(self) -> None:
        """Take in the new lines of every Caddy that has a folder."""
        before = self._read_so_far()
        folders = {path.name: path for path in self.proxies.glob("*")}
        self.logs = {name: self.logs.get(name) or Log(path) for name, path in folders.items()}
        for log in self.logs.values():
            for line in log.fresh_lines():
                self._take_line(line, log)
        if (after := self._read_so_far()) != before:
            write_private(self.store, {"counts": self.counts, "read": after})

    def _read_so_far(self) -> dict[str, tuple[int, int]]:
        return {name: (log.inode, log.offset) for name, log in self.logs.items()}

    def read_all(self, launches: Iterable[str], *, sites: Iterable[str]) -> dict[str, Counts]:
        """All counters, now; zeros for what runs and was not met yet."""
        self.read()
        for launch in launches:
            self.of(launch, LAUNCH)
        for site in sites:
            self.of(site, SITE)
            self.of(f"{site}.preview", SITE)
        return self.counts

    def _take_line(self, line: bytes, log: Log) -> None:
        try:
            self._take(json.loads(line), log)
        except ValueError:
            return  # a line that a dying Caddy left half written

    def of(self, subject: str, names: tuple[str, ...]) -> Counts:
        """The counters of one launch or site."""
        return self.counts.setdefault(subject, {**dict.fromkeys(names, 0), "took_us": {}})

    def _take(self, row: dict[str, Any], log: Log) -> None:
        asked = tuple(row.get("request", {}).get(k) for k in ("remote_ip", "method", "uri"))
        if row.get("msg") == "aborting with incomplete response":
            # The request's own line follows and does not say whose fault it was.
            log.torn[asked] = row["error"]
        if not row.get("logger", "").startswith("http.log.access."):
            return
        # The late fields are missing when the answer was torn.
        torn = "slot" in row and "up" not in row and "err" not in row
        why = log.torn.pop(asked, "") if torn else ""
        cut = why.startswith("reading: ") and "canceled" not in why
        for address, fault, status in _tries(row, cut=cut):
            self._count_try(row, subject=self.subject_of(address), fault=fault, status=status)
        self._count_request(row, cut=cut, gone=bool(why) and not cut)

    def _count_try(self, row: dict[str, Any], *, subject: str, fault: str, status: int | None) -> None:
        launch = self.of(subject, LAUNCH)
        launch["connect_errors"] += fault.startswith("dial ") or (not fault and int(row.get("dials") or 0))
        launch["cut"] += fault == "cut"
        launch["broken"] += bool(fault) and not fault.startswith(("dial ", "cut", *USERS_FAULT))
        if status:
            launch["answers"] += 1
            launch["errors_5xx"] += status >= 500
            _took(launch, float(row.get("latency") or 0) / 1000)

    def _count_request(self, row: dict[str, Any], *, cut: bool, gone: bool) -> None:
        name, _, kind = row["logger"].removeprefix("http.log.access.").rpartition(".")
        site = self.of(name if kind == "split" else f"{name}.{kind}", SITE)
        status, fault = row["status"], row.get("err") or ""
        own = (fault and not fault.startswith(USERS_FAULT)) or (
            row.get("again") and row.get("latency") is None
        )
        lost = status in (499, 0) or gone
        site["answers"] += not lost and not cut
        site["errors_5xx"] += status >= 500
        site["edge_5xx"] += bool(own) and status >= 500
        site["edge_4xx"] += bool(fault) and 400 <= status < 499
        site["cut"] += cut
        site["client_gone"] += lost
        site["retried"] += bool(row.get("err1")) and not row["err1"].startswith("dial ")
        _took(site, row["duration"])


def _tries(row: dict[str, Any], *, cut: bool) -> list[tuple[str, str, int | None]]:
    """(address, fault, status) of each time a launch was asked in one request."""
    tries: list[tuple[str | None, str, int | None]] = []
    first = row.get("err1") or row.get("err")
    if first and row["status"] != 499:  # else the user left, which is nobody's fault
        tries.append((row.get("up1"), first, None))
    if row.get("latency") is not None:
        tries.append((row.get("up"), "", row["status"]))
    elif row.get("again"):
        tries.append((row.get("up"), "twice", None))
    if cut:
        tries.append((row["up0"], "cut", row["status"]))
    return [(address, fault, status) for address, fault, status in tries if address]


def _took(counts: Counts, seconds: float) -> None:
    cell = str(upper_us(seconds))
    counts["took_us"][cell] = counts["took_us"].get(cell, 0) + 1
