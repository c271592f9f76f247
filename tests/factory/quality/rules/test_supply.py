"""Supply: pinned, hashed, the skeleton's own, under a licence one may build on."""

import pytest

from factory.quality.rules.evidence import Severity
from factory.quality.rules.supply import compare_locks, judge_licence, read_lock
from tests.factory.quality.sample import SKELETON

LOCK = (SKELETON / "requirements.txt").read_text()
HASH = "--hash=sha256:" + "a" * 64


def test_every_package_of_the_skeleton_is_pinned_with_hashes() -> None:
    pins, faults = read_lock(LOCK, file="requirements.txt")

    assert faults == ()
    assert {"django", "coverage", "pytest-django"} <= {pin.name for pin in pins}
    assert len(pins) == LOCK.count("==") - LOCK.count("sys_platform ==")


@pytest.mark.parametrize(
    "entry",
    [
        "django",
        "django>=5.2",
        "django==5.2.19",
        f"-e . {HASH}",
        f"django @ https://example.com/x.whl {HASH}",
        "--index-url https://example.com",
    ],
)
def test_what_is_not_pinned_by_version_and_hash_is_a_fault_of_its_line(entry: str) -> None:
    pins, faults = read_lock(f"# a remark\nclick==8.1 \\\n    {HASH}\n{entry}\n", file="requirements.txt")

    assert [pin.name for pin in pins] == ["click"]
    assert [(fault.file, fault.line, fault.severity) for fault in faults] == [
        ("requirements.txt", 4, Severity.HIGH)
    ]


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("click==8", "click==9", "click"),
        ("", f"left-pad==1.0 {HASH}\n", "left-pad"),
        (LOCK.split("\n")[1], f"    {HASH} \\", "asgiref"),
    ],
)
def test_a_package_that_differs_needs_a_reason(old: str, new: str, name: str) -> None:
    changed = LOCK.replace(old, new, 1) if old else LOCK + new
    known, now = (read_lock(text, file="requirements.txt")[0] for text in (LOCK, changed))

    faults = compare_locks(now, known, file="requirements.txt", reasons={})

    assert [fault.text.split()[0] for fault in faults] == [name]
    assert faults[0].line > 0
    assert compare_locks(now, known, file="requirements.txt", reasons={name: "a fix we need"}) == ()


def test_a_package_that_is_gone_needs_a_reason_too() -> None:
    known = read_lock(LOCK, file="requirements.txt")[0]

    faults = compare_locks(known[1:], known, file="requirements.txt", reasons={})

    assert [(fault.text.split()[0], fault.line) for fault in faults] == [("asgiref", 0)]


@pytest.mark.parametrize(
    ("licence", "severity"),
    [
        ("MIT", None),
        ("BSD-3-Clause", None),
        ("Apache-2.0", None),
        ("MPL-2.0", None),
        ("LGPL-3.0-only", None),
        ("OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)", None),
        ("GPL-3.0-or-later", Severity.HIGH),
        ("OSI Approved :: GNU General Public License v2 (GPLv2)", Severity.HIGH),
        ("GNU Affero General Public License v3", Severity.HIGH),
        ("AGPL-3.0", Severity.HIGH),
        ("SSPL-1.0", Severity.HIGH),
        ("", Severity.MEDIUM),
        ("UNKNOWN", Severity.MEDIUM),
    ],
)
def test_strong_copyleft_and_unknown_licences_block(licence: str, severity: Severity | None) -> None:
    assert judge_licence(licence) == severity
