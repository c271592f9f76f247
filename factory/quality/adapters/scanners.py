"""What can be read off a product without running it: unsafe code, secrets, its lock, licences."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from factory.quality.adapters.child import Done, run_child
from factory.quality.ports import Build
from factory.quality.rules.evidence import Evidence, Fault, Severity
from factory.quality.rules.supply import compare_locks, judge_licence, read_lock

LOCK = "requirements.txt"
_TIMEOUT_S = 120
_LONGEST_FILE = 1_000_000
# detect-secrets misses keys that are written in two halves, so the first half is enough here.
_KEYS = {
    "Stripe key": re.compile(r"\b[rs]k_live_"),
    "Anthropic key": re.compile(r"\bsk-ant-[a-z0-9]"),
    "OpenAI key": re.compile(r"\bsk-proj-[A-Za-z0-9]"),
    "AWS key": re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{12,}"),
    "GitHub token": re.compile(r"\b(gh[pousr]_[A-Za-z0-9]{20,}|github_pat_)"),
    "Slack token": re.compile(r"\bxox[abprs]-"),
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
}
_GUESSES = ("Base64 High Entropy String", "Hex High Entropy String")
_METADATA = """
import json, importlib.metadata as m
def licence(d):
    named = [c.split("::", 1)[1] for c in d.metadata.get_all("Classifier") or [] if c.startswith("License ::")]
    return d.metadata.get("License-Expression") or "; ".join(named) or (d.metadata.get("License") or "")[:200]
print(json.dumps({d.metadata["Name"]: licence(d) for d in m.distributions()}))
"""


def scan_static(build: Build, /) -> Evidence:
    """Bandit over all Python of the product; marks in the code that silence it are ignored."""
    command = [sys.executable, "-m", "bandit", "-r", ".", "-f", "json", "-q", "--ignore-nosec"]
    done = run_child(command, folder=build.tree, timeout_s=_TIMEOUT_S)
    report = _report_of(done, codes=(0, 1))
    if report is None or report["errors"] or not report["metrics"]["_totals"]["loc"]:
        return Evidence(
            "static", None, f"bandit gave no report: {(report or {}).get('errors') or done.err[-300:]}"
        )
    found = tuple(
        Fault(
            Severity(item["issue_severity"].lower()),
            f"{item['test_id']} {item['issue_text']}",
            file=str(Path(item["filename"])),
            line=item["line_number"],
        )
        for item in report["results"]
    )
    return _judged("static", found, lines=report["metrics"]["_totals"]["loc"])


def scan_secrets(build: Build, /) -> Evidence:
    """detect-secrets and our own patterns over every file; nothing is sent anywhere to be verified."""
    command = [sys.executable, "-m", "detect_secrets", "scan", "--all-files", "--no-verify"]
    silenced = ["--disable-filter", "detect_secrets.filters.allowlist.is_line_allowlisted", "."]
    done = run_child([*command, *silenced], folder=build.tree, timeout_s=_TIMEOUT_S)
    report = _report_of(done, codes=(0,))
    if report is None:
        return Evidence("secrets", None, f"detect-secrets gave no report: {done.err[-300:]}")
    guessed = [
        Fault(_weight(item["type"], file), item["type"], file=file, line=item["line_number"])
        for file, items in report["results"].items()
        for item in items
    ]
    return _judged("secrets", (*guessed, *_own_patterns(build.tree)))


def check_lock(build: Build, /) -> Evidence:
    """Every package pinned with its hashes and the same as the skeleton's, unless there is a reason."""
    lock = build.tree / LOCK
    if not lock.is_file():
        return Evidence("lock", None, f"there is no {LOCK}")
    pins, faults = read_lock(lock.read_text(errors="replace"), file=LOCK)
    known, _ = read_lock((build.skeleton / LOCK).read_text(), file=LOCK)
    return _judged(
        "lock",
        (*faults, *compare_locks(pins, known, file=LOCK, reasons=build.lock_reasons)),
        packages=len(pins),
    )


def check_licences(build: Build, /) -> Evidence:
    """The licence of every package that is installed in the product's environment."""
    done = run_child([build.python, "-I", "-c", _METADATA], folder=build.tree, timeout_s=_TIMEOUT_S)
    report = _report_of(done, codes=(0,))
    if not report:
        return Evidence("licences", None, f"no package found: {done.err[-300:]}")
    found = tuple(
        Fault(severity, f"{name} is under {licence or 'no known licence'!r}", file=LOCK)
        for name, licence in sorted(report.items())
        if (severity := judge_licence(licence))
    )
    return _judged("licences", found, packages=len(report))


def _report_of(done: Done, *, codes: tuple[int, ...]) -> dict[str, Any] | None:
    """The JSON object a tool printed; None when it failed or printed none."""
    try:
        report = json.loads(done.out) if done.code in codes else None
    except ValueError:
        return None
    return report if isinstance(report, dict) else None


def _judged(gate: str, found: tuple[Fault, ...], **numbers: float) -> Evidence:
    """Passed when nothing found blocks."""
    blocking = [fault for fault in found if fault.is_blocking]
    first = f", first {blocking[0].file}:{blocking[0].line} {blocking[0].text}" if blocking else ""
    return Evidence(gate, not blocking, f"{len(blocking)} blocking{first}", found, numbers)


def _weight(kind: str, file: str) -> Severity:
    """A guess, or a made-up password of a test, is worth a look; the rest blocks."""
    is_test = "tests" in Path(file).parts or Path(file).name.startswith("test")
    return Severity.LOW if kind in _GUESSES or (is_test and kind == "Secret Keyword") else Severity.HIGH


def _own_patterns(tree: Path) -> Iterator[Fault]:
    for path in sorted(tree.rglob("*")):
        file = path.relative_to(tree)
        if path.is_symlink() or not path.is_file() or ".git" in file.parts:
            continue
        if path.stat().st_size > _LONGEST_FILE:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
            for name, pattern in _KEYS.items():
                if pattern.search(line):
                    yield Fault(Severity.HIGH, name, file=str(file), line=number)
