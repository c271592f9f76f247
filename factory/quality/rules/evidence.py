"""Evidence: what a gate measured, and what may be told of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How much a finding weighs; all but `low` block."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True)
class Fault:
    """One finding: what is wrong, and where code says it is.

    `line` 0 means that no line is known; `criterion` is the broken promise, spelled. Statuses are None where no
    request was made, 0 where no answer came.
    """

    severity: Severity
    text: str
    file: str = ""
    line: int = 0
    method: str = ""
    path: str = ""
    expected: int | None = None
    seen: int | None = None
    criterion: Mapping[str, Any] | None = None

    @property
    def is_blocking(self) -> bool:
        """Whether a verdict must stay red while this is open."""
        return self.severity is not Severity.LOW


@dataclass(frozen=True)
class Evidence:
    """What one gate measured; `passed` None means that it could not be measured, which is a no."""

    gate: str
    passed: bool | None
    summary: str
    findings: tuple[Fault, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)


def told(fault: Fault, *, is_hidden: bool) -> dict[str, Any]:
    """Give what an author may know of `fault`.

    Of a hidden criterion: file, line, method, path, expected and seen status, never its steps or texts.
    """
    known: dict[str, Any] = {
        "file": fault.file,
        "line": fault.line,
        "severity": fault.severity.value,
        "method": fault.method,
        "path": fault.path,
        "expected": "" if fault.expected is None else str(fault.expected),
        "seen": "" if fault.seen is None else str(fault.seen),
    }
    if is_hidden:
        return known
    known["seen"] = fault.text
    if fault.criterion:
        known["criterion"] = fault.criterion["id"]
        known |= {name: fault.criterion[name] for name in ("given", "when", "then")}
    return known
