"""Promises: driven against a running copy; each broken one says file and line, whoever wrote the fault."""

from collections import Counter
from pathlib import Path

import pytest

from factory.quality.adapters.promises import drive_promises
from factory.quality.adapters.running import running
from factory.quality.rules.evidence import Evidence, Severity
from factory.quality.rules.house import HOUSE
from tests.factory.quality.sample import Edit, a_build, criteria

TICKS = ("quiet-before-the-day", "reminded-on-the-day", "reminded-once")
EXPORTS = ("added-is-listed", "export-has-it", "export-is-own", "export-runs-no-formula")

LATE = Edit("certs/due.py", "if cert.remind_on <= today:", "if cert.remind_on < today:")
FORMULA = Edit("certs/pages.py", "rules.plain(getattr(cert, name))", "str(getattr(cert, name))")
LEAK = Edit("certs/pages.py", "in Cert.objects.of(request.user).order_by", "in Cert.objects.order_by")
MARKUP = Edit("templates/certs/list.html", "{{ cert.name }}", "{{ cert.name|safe }}")
NO_ROOM = Edit(
    "certs/api.py", "not plans.room_for(request.user, used)", "not plans.room_for(request.user, 0)"
)
RAISES = Edit("certs/pages.py", 'HttpResponse(content_type="text/csv', '{}["x"](content_type="text/csv')
DIES = Edit("certs/pages.py", "    rows = csv.writer(answer)", "    import os; os._exit(3)")
NO_START = Edit("certs/models.py", "models.DateField()", "models.DataField()")

VIEW_500 = Edit(
    "house/pages.py",
    'return render(request, "house/terms.html")',
    'return HttpResponse("oops", status=500)',
)
NOTICES_OF_ALL = Edit("house/people.py", "Notice.objects.filter(owner=request.user)", "Notice.objects.all()")


def broken_names(evidence: Evidence) -> set[str]:
    return {found.criterion["id"] for found in evidence.findings if found.criterion}


def blamed(evidence: Evidence) -> tuple[str, int]:
    """The place that most findings name."""
    return Counter((found.file, found.line) for found in evidence.findings).most_common(1)[0][0]


def test_a_good_product_keeps_every_promise(tmp_path: Path) -> None:
    evidence = drive_promises(a_build(tmp_path))

    assert evidence.passed is True
    assert evidence.findings == ()
    assert (evidence.numbers["promised"], evidence.numbers["passed"]) == (19, 19)


@pytest.mark.parametrize(
    ("edit", "promises", "broken"),
    [
        (LATE, TICKS, {"reminded-on-the-day"}),
        (FORMULA, EXPORTS, {"export-runs-no-formula"}),
        (MARKUP, ("added-is-listed", "markup-is-text"), {"markup-is-text"}),
        (
            NO_ROOM,
            ("api-adds", "api-refuses-empty", "plan-has-a-limit", "api-has-the-limit"),
            {"api-has-the-limit"},
        ),
    ],
)
def test_one_wrong_line_of_the_domain_is_found_at_its_file_and_line(
    tmp_path: Path, edit: Edit, promises: tuple[str, ...], broken: set[str]
) -> None:
    build = a_build(tmp_path, edit, promises=criteria(*promises))

    evidence = drive_promises(build)

    assert evidence.passed is False
    assert broken_names(evidence) == broken
    file, line = blamed(evidence)
    assert file == edit.file
    assert abs(line - edit.line) <= 3


@pytest.mark.parametrize(
    ("edit", "broken"),
    [
        (VIEW_500, "house-shows-terms"),
        (NOTICES_OF_ALL, "house-notices-are-own"),
    ],
)
def test_a_fault_in_the_skeleton_is_found_at_its_file_and_line(
    tmp_path: Path, edit: Edit, broken: str
) -> None:
    build = a_build(tmp_path, edit, promises=criteria("added-is-listed"))

    evidence = drive_promises(build)

    assert evidence.passed is False
    assert broken in broken_names(evidence)
    file, line = blamed(evidence)
    assert file == edit.file
    assert abs(line - edit.line) <= 3


def test_a_leak_names_request_statuses_and_the_view(tmp_path: Path) -> None:
    evidence = drive_promises(a_build(tmp_path, LEAK, promises=criteria(*EXPORTS)))

    (found,) = evidence.findings
    assert (found.method, found.path, found.expected, found.seen) == ("GET", "/certs/export.csv", 200, 200)
    assert found.file == "certs/pages.py"
    assert "'First one' stands there" in found.text


def test_a_product_that_does_not_start_keeps_no_promise_and_says_where(tmp_path: Path) -> None:
    build = a_build(tmp_path, NO_START)

    evidence = drive_promises(build)

    assert evidence.passed is False
    assert [(found.file, found.line) for found in evidence.findings] == [("certs/models.py", NO_START.line)]


def test_a_product_that_dies_on_the_way_is_a_finding_not_an_error_of_ours(tmp_path: Path) -> None:
    evidence = drive_promises(a_build(tmp_path, DIES, promises=criteria(*EXPORTS)))

    assert evidence.passed is False
    died = [
        found for found in evidence.findings if found.criterion and found.criterion["id"] == "export-has-it"
    ]
    assert [(found.path, found.seen) for found in died] == [("/certs/export.csv", 0)]


def test_a_case_of_the_reviewer_blocks_only_where_the_product_breaks(tmp_path: Path) -> None:
    added, promised = criteria("export-is-own", "markup-is-text"), criteria("added-is-listed")
    build = a_build(tmp_path, MARKUP, RAISES, promises=promised, added=added)

    evidence = drive_promises(build)

    weights = {found.criterion["id"]: found.severity for found in evidence.findings if found.criterion}
    assert weights == {"markup-is-text": Severity.LOW, "export-is-own": Severity.HIGH}
    assert evidence.passed is False
    assert evidence.numbers["passed"] == 1


def test_nothing_is_left_running_and_the_tree_is_as_it_was(tmp_path: Path) -> None:
    build = a_build(tmp_path, promises=criteria("added-is-listed"))
    before = {path for path in build.tree.rglob("*") if "__pycache__" not in path.parts}

    with running(build) as product:
        product.drive([*build.criteria, *HOUSE[:2]])
        socket = Path(str(product.database)).with_name("door")
        assert socket.exists()

    assert not socket.exists()
    assert {path for path in build.tree.rglob("*") if "__pycache__" not in path.parts} == before
