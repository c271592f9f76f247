"""Scanners: the good product is clean; one planted line each turns its gate red, with file and line."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from factory.quality.adapters.scanners import check_licences, check_lock, scan_secrets, scan_static
from factory.quality.ports import Build
from factory.quality.rules.evidence import Evidence, Severity
from tests.factory.quality.sample import a_build

Scan = Callable[[Build], Evidence]
SCANS = (scan_static, scan_secrets, check_lock, check_licences)
PLANTED = Path("certs/extra.py")


def plant(build: Build, line: str, *, file: Path = PLANTED) -> None:
    """Write `line` as the second of a file of the product."""
    (build.tree / file).parent.mkdir(parents=True, exist_ok=True)
    (build.tree / file).write_text(f'"""Extra."""\n{line}\n')


@pytest.fixture(name="build")
def good_build(tmp_path: Path) -> Build:
    return a_build(tmp_path)


def test_the_good_product_passes_all(build: Build) -> None:
    found = [scan(build) for scan in SCANS]

    assert [(item.gate, item.passed) for item in found] == [
        ("static", True), ("secrets", True), ("lock", True), ("licences", True),
    ]  # fmt: skip
    assert found[3].numbers["packages"] > 10


@pytest.mark.parametrize(
    "line",
    [
        "def find(cursor, name): cursor.execute(\"select * from t where n = '%s'\" % name)",
        "def run(words): __import__('subprocess').call(words, shell=True); import subprocess; subprocess.call(words, shell=True)",
        "import hashlib; DIGEST = hashlib.md5(b'x')  # nosec",
    ],
)
def test_unsafe_code_is_found_even_when_a_remark_silences_it(build: Build, line: str) -> None:
    plant(build, line)

    evidence = scan_static(build)

    blocking = [found for found in evidence.findings if found.is_blocking]
    assert evidence.passed is False
    assert {(found.file, found.line) for found in blocking} == {(str(PLANTED), 2)}


def test_a_tree_without_code_or_with_unreadable_code_is_not_a_pass(build: Build, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    plant(build, "def broken(:")

    assert scan_static(replace(build, tree=tmp_path / "empty")).passed is None
    assert scan_static(build).passed is None


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ('KEY = "sk_" + "live_" + "x"; HALF = "sk_live_"', "Stripe key"),
        ('KEY = "AKIA' + 'IOSFODNN7EXAMPLE"', "AWS key"),
        ('KEY = "ghp_' + 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"', "GitHub token"),
        ('KEY = "sk-ant-' + 'api03-abcdefgh"', "Anthropic key"),
        ('KEY = """-----BEGIN RSA ' + 'PRIVATE KEY-----"""', "private key"),
        ('DATABASE_PASSWORD = "correct-horse-battery"  # pragma: allowlist secret', "Secret Keyword"),
    ],
)
def test_a_secret_is_found_even_when_a_remark_silences_it(build: Build, line: str, kind: str) -> None:
    plant(build, line)

    evidence = scan_secrets(build)

    assert evidence.passed is False
    assert (str(PLANTED), 2, kind) in {(found.file, found.line, found.text) for found in evidence.findings}


def test_a_made_up_password_of_a_test_is_worth_a_look_and_no_more(build: Build) -> None:
    plant(build, 'PASSWORD = "correct-horse-battery"', file=Path("certs/tests/test_more.py"))

    evidence = scan_secrets(build)

    assert evidence.passed is True
    assert {found.severity for found in evidence.findings} == {Severity.LOW}


def test_a_lock_that_differs_is_refused_unless_there_is_a_reason(build: Build) -> None:
    lock = build.tree / "requirements.txt"
    lock.write_text(lock.read_text().replace("click==", "klick=="))

    evidence = check_lock(build)

    assert evidence.passed is False
    assert {found.text.split()[0] for found in evidence.findings} == {"click", "klick"}
    assert check_lock(replace(build, lock_reasons={"click": "gone", "klick": "a fork"})).passed is True


def test_a_missing_lock_or_environment_is_not_a_pass(build: Build, tmp_path: Path) -> None:
    (build.tree / "requirements.txt").unlink()
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\nexit 0\n")
    silent.chmod(0o755)

    assert check_lock(build).passed is None
    assert check_licences(replace(build, python=silent)).passed is None


def test_a_package_under_strong_copyleft_is_refused(build: Build, tmp_path: Path) -> None:
    strange = tmp_path / "python"
    strange.write_text('#!/bin/sh\necho \'{"nice": "MIT", "viral": "GPL-3.0-only", "silent": ""}\'\n')
    strange.chmod(0o755)

    evidence = check_licences(replace(build, python=strange))

    assert evidence.passed is False
    assert [found.text.split()[0] for found in evidence.findings] == ["silent", "viral"]
