"""Supply: what a product may be made of, its locked packages and their licences."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from factory.quality.rules.evidence import Fault, Severity

_ENTRY = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")
_COPYLEFT = re.compile(
    r"(?<![a-z])(a?gpl|sspl|(?:affero )?general public licen[cs]e|server side public)", re.I
)
_LESSER = re.compile(r"lesser general public|library general public|\blgpl", re.I)


@dataclass(frozen=True)
class Pin:
    """One package of a lock, at one version."""

    name: str
    version: str
    hashes: frozenset[str]
    line: int


def read_lock(text: str, *, file: str) -> tuple[tuple[Pin, ...], tuple[Fault, ...]]:
    """Give the pins of a lock and a fault for each entry that is not pinned by version and hash."""
    pins: list[Pin] = []
    faults: list[Fault] = []
    for line, entry in _entries(text):
        found, hashes = _ENTRY.match(entry), frozenset(_HASH.findall(entry))
        if found and hashes:
            pins.append(Pin(_plain(found[1]), found[3], hashes, line))
        else:
            text_of = f"not pinned by version and hash: {entry[:60]}"
            faults.append(Fault(Severity.HIGH, text_of, file=file, line=line))
    return tuple(pins), tuple(faults)


def compare_locks(
    pins: tuple[Pin, ...], known: tuple[Pin, ...], *, file: str, reasons: Mapping[str, str]
) -> tuple[Fault, ...]:
    """Give a fault for each package that differs from the `known` lock and has no reason."""
    before = {pin.name: (pin.version, pin.hashes) for pin in known}
    now = {pin.name: (pin.version, pin.hashes) for pin in pins}
    lines = {pin.name: pin.line for pin in pins}
    changed = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    return tuple(
        Fault(
            Severity.HIGH,
            f"{name} differs from the skeleton's lock without a reason",
            file=file,
            line=lines.get(name, 0),
        )
        for name in changed
        if not reasons.get(name)
    )


def judge_licence(licence: str) -> Severity | None:
    """Give how bad it is to build on `licence`; None when it is fine, unknown is not fine."""
    if licence.strip().lower() in ("", "unknown"):
        return Severity.MEDIUM
    return Severity.HIGH if _COPYLEFT.search(_LESSER.sub("", licence)) else None


def _entries(text: str) -> list[tuple[int, str]]:
    """Logical lines with the number of their first: continued ones joined, comments and blanks left out."""
    entries: list[tuple[int, str]] = []
    is_open = False
    for number, line in enumerate(text.splitlines(), start=1):
        part = line.split(" #")[0].strip()
        if part.startswith("#") or not part:
            continue
        if is_open:
            entries[-1] = (entries[-1][0], f"{entries[-1][1]} {part.rstrip(chr(92))}")
        else:
            entries.append((number, part.rstrip(chr(92))))
        is_open = part.endswith("\\")
    return entries


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
