"""The verdict: computed from evidence, so that no opinion can make a red gate green."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from factory.quality.rules.evidence import Evidence, Fault

GATES = ("tests", "journeys", "static", "secrets", "lock", "licences")


@dataclass(frozen=True)
class Ruling:
    """Whether a product passed, why not, and what its author has to mend."""

    passed: bool
    reasons: tuple[str, ...]
    findings: tuple[Fault, ...]


def rule_on(evidence: Sequence[Evidence], *, gates: Iterable[str] = GATES) -> Ruling:
    """Give the ruling that `evidence` allows.

    Every one of `gates` must be present, everything measured green, no blocking finding open; what is missing
    is a no. Evidence beyond the gates, such as a reviewer's opinion, can only make the ruling stricter.
    """
    names = dict.fromkeys([*gates, *(item.gate for item in evidence)])
    reasons = [reason for gate in names for reason in _objections(gate, evidence)]
    findings = tuple(fault for item in evidence for fault in item.findings)
    return Ruling(passed=not reasons, reasons=tuple(reasons), findings=findings)


def _objections(gate: str, evidence: Sequence[Evidence]) -> list[str]:
    """Why `gate` is not green; nothing when it is."""
    of_gate = [item for item in evidence if item.gate == gate]
    if not of_gate:
        return [f"{gate}: no evidence"]
    return [f"{gate}: {item.summary}" for item in of_gate if not _is_green(item)]


def _is_green(item: Evidence) -> bool:
    """A gate that calls itself passed beside a blocking finding is not."""
    return item.passed is True and not any(fault.is_blocking for fault in item.findings)
