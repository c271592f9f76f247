"""The product's own tests, run by us, and how much of the product they run."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from factory.quality.adapters.child import Done, run_child
from factory.quality.ports import Build
from factory.quality.rules.blame import Line, Spectrum, rank_lines, shape_of
from factory.quality.rules.evidence import Evidence, Fault, Severity

_TIMEOUT_S = 300
# Source.
_LEAST_SHARE, _LEAST_NEW_SHARE = 0.80, 0.90
_NOT_MEASURED = ("*/tests/*", "*/migrations/*", "manage.py")
# Ours, so that neither a file nor a remark of the product narrows what is measured.
_SETTINGS = """[run]
source = .
omit = {omit}
data_file = {folder}/data
dynamic_context = test_function
[report]
exclude_lines = (?!)
[json]
output = {folder}/report.json
show_contexts = True
"""
_RAN = re.compile(r"^Ran (\d+) tests? in", re.M)
_BROKEN = re.compile(r"^(?:FAIL|ERROR): \S+ \(([^)]+)\).*?^-{70}$(.*?)(?=^={70}$|^-{70}$)", re.M | re.S)
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')


def run_own_tests(build: Build, /, *, timeout_s: float = _TIMEOUT_S) -> Evidence:
    """`manage.py test` must find tests, pass them all, and run enough lines of the product."""
    with TemporaryDirectory(prefix="tests-") as folder:
        settings = Path(folder, "settings")
        settings.write_text(_SETTINGS.format(omit=",".join(_NOT_MEASURED), folder=folder))
        tool: list[str | Path] = [build.python, "-m", "coverage"]
        extra = {
            "HOME": folder,
            "TMPDIR": folder,
            "PRODUCT_DB": f"{folder}/db.sqlite3",
            "COVERAGE_CORE": "ctrace",
        }
        done = run_child(
            [*tool, "run", f"--rcfile={settings}", "manage.py", "test"],
            folder=build.tree,
            timeout_s=timeout_s,
            extra=extra,
        )
        run_child([*tool, "json", "-q", f"--rcfile={settings}"], folder=build.tree, timeout_s=60, extra=extra)
        report = Path(folder, "report.json")
        lines = json.loads(report.read_text()) if report.exists() else None
    return _judge(build, done, lines)


def _judge(build: Build, done: Done, lines: dict[str, Any] | None) -> Evidence:
    """Evidence from what the run printed and what it covered."""
    ran = _RAN.search(done.err)
    if done.code is None or ran is None or lines is None:
        what = "took too long" if done.code is None else f"did not run: {done.err[-300:]}"
        return Evidence("tests", None, f"the tests {what}", tuple(_faults(done.err, build.tree, lines)))
    broken = tuple(_faults(done.err, build.tree, lines))
    share, new_share = _shares(lines, build.skeleton)
    numbers = {"total": int(ran[1]), "failed": len(broken), "line_share": share, "new_line_share": new_share}
    gaps = _gaps(lines, build.skeleton) if new_share < _LEAST_NEW_SHARE or share < _LEAST_SHARE else ()
    is_fine = done.code == 0 and int(ran[1]) > 0 and not broken and not gaps
    summary = f"{int(ran[1])} tests, {len(broken)} failed, {100 * share:.0f} % of lines, {100 * new_share:.0f} % of new lines"
    return Evidence("tests", is_fine, summary, (*broken, *gaps), numbers)


def _faults(printed: str, tree: Path, lines: dict[str, Any] | None) -> Iterator[Fault]:
    """One fault per broken test, at the line that broken tests alone run; else at the test itself."""
    broken = dict(_BROKEN.findall(f"{printed}\n{'=' * 70}\n"))
    spectrum = _spectrum(lines or {"files": {}}, tree, failed=list(broken))
    for name, trace in broken.items():
        ours = [frame for frame in _FRAME.findall(trace) if Path(frame[0]).is_relative_to(tree)]
        place = (str(Path(ours[-1][0]).relative_to(tree)), int(ours[-1][1])) if ours else ("", 0)
        said = f"{name} ({place[0]}:{place[1]}): {(trace.strip().splitlines() or ['failed'])[-1]}"
        if suspects := rank_lines(name, spectrum) if name in spectrum.ran else []:
            place = suspects[0].file, suspects[0].line
        yield Fault(Severity.HIGH, said, file=place[0], line=place[1])


def _spectrum(lines: dict[str, Any], tree: Path, *, failed: list[str]) -> Spectrum:
    """Which test ran which line of the product."""
    ran = defaultdict[str, set[Line]](set)
    for file, item in lines["files"].items():
        for line, tests in item["contexts"].items():
            for test in tests:
                ran[test].add((file, int(line)))
    ran.pop("", None)
    shapes = {file: shape_of((tree / file).read_text(), is_python=True) for file in lines["files"]}
    return Spectrum(ran, [name for name in failed if name in ran], shapes=shapes)


def _shares(lines: dict[str, Any], skeleton: Path) -> tuple[float, float]:
    """Share of lines that ran: of all, and of the files that the skeleton has not."""
    files = lines["files"]
    new = {path: item for path, item in files.items() if not (skeleton / path).exists()}
    return _share(files), _share(new)


def _share(files: dict[str, Any]) -> float:
    """No lines at all count as run."""
    total = sum(item["summary"]["num_statements"] for item in files.values())
    return sum(item["summary"]["covered_lines"] for item in files.values()) / total if total else 1.0


def _gaps(lines: dict[str, Any], skeleton: Path) -> tuple[Fault, ...]:
    """The new file that the tests leave most of, at its first line that did not run."""
    missing = {
        path: item["missing_lines"]
        for path, item in lines["files"].items()
        if item["missing_lines"] and not (skeleton / path).exists()
    }
    worst = max(missing, key=lambda path: len(missing[path]), default="")
    if not worst:
        return (Fault(Severity.MEDIUM, "the tests run too little of the product"),)
    text = f"{len(missing[worst])} lines are run by no test"
    return (Fault(Severity.MEDIUM, text, file=worst, line=missing[worst][0]),)
