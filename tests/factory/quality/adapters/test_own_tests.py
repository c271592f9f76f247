"""The product's own tests: found, passed, and wide enough, by our own count."""

from pathlib import Path

from factory.quality.adapters.own_tests import run_own_tests
from tests.factory.quality.sample import Edit, a_build

WRONG_RULE = Edit("certs/rules.py", "return due_on - timedelta(days=days)", "return due_on")
HOUSE_LIMIT = Edit("house/plans.py", "return used < limit_of(owner)", "return True")
NO_START = Edit("certs/models.py", "models.DateField()", "models.DataField()")
HUNG = Edit("certs/rules.py", "    return due_on - timedelta(days=days)", "    while True: pass")
UNCOVERED = "def never(number):  # pragma: no cover\n" + "".join(f"    number += {n}\n" for n in range(40))


def test_tests_that_pass_and_cover_are_counted(tmp_path: Path) -> None:
    build = a_build(tmp_path)

    evidence = run_own_tests(build)

    assert evidence.passed is True
    assert evidence.numbers["total"] > 20
    assert evidence.numbers["failed"] == 0
    assert evidence.numbers["line_share"] > 0.9
    assert evidence.numbers["new_line_share"] > 0.9
    assert not (build.tree / "db.sqlite3").exists()


def test_a_broken_test_points_at_the_line_that_broken_tests_alone_run(tmp_path: Path) -> None:
    evidence = run_own_tests(a_build(tmp_path, WRONG_RULE, HOUSE_LIMIT))

    assert evidence.passed is False
    places = {(found.file, found.line) for found in evidence.findings}
    assert (WRONG_RULE.file, WRONG_RULE.line) in places
    assert HOUSE_LIMIT.file in {file for file, _ in places}


def test_code_that_no_test_runs_is_refused_even_when_a_remark_or_settings_hide_it(tmp_path: Path) -> None:
    build = a_build(tmp_path)
    (build.tree / "certs" / "never.py").write_text(UNCOVERED)
    (build.tree / ".coveragerc").write_text("[run]\nomit = certs/*\n")

    evidence = run_own_tests(build)

    assert evidence.passed is False
    assert [(found.file, found.line) for found in evidence.findings] == [("certs/never.py", 1)]


def test_tests_that_cannot_start_are_no_pass(tmp_path: Path) -> None:
    evidence = run_own_tests(a_build(tmp_path, NO_START))

    assert evidence.passed is None
    assert "DataField" in evidence.summary


def test_tests_that_hang_are_ended_and_no_pass(tmp_path: Path) -> None:
    evidence = run_own_tests(a_build(tmp_path, HUNG), timeout_s=3)

    assert evidence.passed is None
    assert "too long" in evidence.summary
