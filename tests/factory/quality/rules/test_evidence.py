"""What an author may know of a finding."""

import json

from factory.quality.rules.criteria import spelled
from factory.quality.rules.evidence import Fault, Severity, told
from tests.factory.quality.sample import criteria

SECRET = criteria("export-runs-no-formula")[0]
FAULT = Fault(
    Severity.HIGH,
    'export-runs-no-formula: 200, but "\'=1+1" stands there 0 times',
    file="certs/pages.py",
    line=54,
    method="GET",
    path="/certs/export.csv",
    expected=200,
    seen=200,
    criterion=spelled(SECRET),
)


def test_of_a_hidden_promise_place_request_and_statuses_are_told_and_nothing_else() -> None:
    known = told(FAULT, is_hidden=True)

    assert known == {
        "file": "certs/pages.py", "line": 54, "severity": "high", "method": "GET", "path": "/certs/export.csv",
        "expected": "200", "seen": "200",
    }  # fmt: skip
    assert not any(word in json.dumps(known) for word in (SECRET.id, "1+1", "stands there"))


def test_of_a_shown_promise_its_steps_are_told_too() -> None:
    known = told(FAULT, is_hidden=False)

    assert known["criterion"] == SECRET.id
    assert known["then"]["text"] == "'=1+1"
    assert "stands there 0 times" in known["seen"]


def test_a_finding_without_a_promise_says_what_is_wrong_where() -> None:
    known = told(
        Fault(Severity.MEDIUM, "B608 SQL from a string", file="certs/api.py", line=7), is_hidden=False
    )

    assert known == {
        "file": "certs/api.py", "line": 7, "severity": "medium", "method": "", "path": "", "expected": "",
        "seen": "B608 SQL from a string",
    }  # fmt: skip
