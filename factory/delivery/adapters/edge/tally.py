"""Counters by launch and site from Caddy's access log: one line a request, all its tries in it."""

import json
import os
from collections.abc import Callable, Iterable
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


class Tally:
    """Cumulative counters that outlive keeper and log files; they never fall."""

    def __init__(self, home: Path, *, subject_of: Callable[[str], str]) -> None:
        self.log, self.store, self.subject_of = home / "access.log", home / "tally.json", subject_of
        kept = read_json(self.store) or {"counts": {}, "inode": 0, "offset": 0}
        self.counts: dict[str, Counts] = kept["counts"]
        self.inode, self.offset = kept["inode"], kept["offset"]
        self.torn: dict[tuple[Any, ...], str] = {}

    def read(self) -> None:
        """Take in the new lines; files that were rolled away since are read to their end first."""
        before = self.inode, self.offset
        for path in self._unread():
            with path.open("rb") as file:
                inode = os.fstat(file.fileno()).st_ino
                self.offset = self.offset if inode == self.inode else 0
                self.inode = inode
                file.seek(self.offset)
                self._take_lines(file.read())
        if (self.inode, self.offset) != before:
            write_private(self.store, {"counts": self.counts, "inode": self.inode, "offset": self.offset})

    def read_all(self, launches: Iterable[str], *, sites: Iterable[str]) -> dict[str, Counts]:
        """All counters, now; zeros for what runs and was not met yet."""
        self.read()
        for launch in launches:
            self.of(launch, LAUNCH)
        for site in sites:
            self.of(site, SITE)
            self.of(f"{site}.preview", SITE)
        return self.counts

    def _unread(self) -> list[Path]:
        found = sorted(self.log.parent.glob("access*.log"), key=lambda path: (path == self.log, path.name))
        known = [n for n, path in enumerate(found) if path.stat().st_ino == self.inode]
        return found[known[0] :] if known else found

    def _take_lines(self, data: bytes) -> None:
        whole, newline, _ = data.rpartition(b"\n")
        self.offset += len(whole) + len(newline)
        for line in whole.splitlines():
            try:
                self._take(json.loads(line))
            except ValueError:
                continue  # a line that a dying Caddy left half written

    def of(self, subject: str, names: tuple[str, ...]) -> Counts:
        """The counters of one launch or site."""
        return self.counts.setdefault(subject, {**dict.fromkeys(names, 0), "took_us": {}})

    def _take(self, row: dict[str, Any]) -> None:
        asked = tuple(row.get("request", {}).get(k) for k in ("remote_ip", "method", "uri"))
        if row.get("msg") == "aborting with incomplete response":
            self.torn[asked] = row[
                "error"
            ]  # the request's own line follows and does not say whose fault it was
        if not row.get("logger", "").startswith("http.log.access."):
            return
        # The late fields are missing when the answer was torn.
        torn = "slot" in row and "up" not in row and "err" not in row
        why = self.torn.pop(asked, "") if torn else ""
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
