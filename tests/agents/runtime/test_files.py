"""No path leads out of a workspace."""

from pathlib import Path

import pytest

from agents.runtime.adapters.files import list_files, read_file, search, write_file
from agents.runtime.errors import PathRefused
from core.adapters.git import GitFailed
from core.errors import DiskFull


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a workspace beside a file that is nobody's business, with links that lead to it."""
    (tmp_path / "secret").write_text("key")
    root = tmp_path / "tree"
    (root / "ping" / "__pycache__").mkdir(parents=True)
    (root / "ping" / "rules.py").write_text("def late():\n    return True\n")
    (root / "ping" / "__pycache__" / "rules.pyc").write_bytes(b"\0")
    (root / "README.md").write_text("Pings are late or not.\n")
    (root / "out").symlink_to(tmp_path)
    (root / "leak").symlink_to(tmp_path / "secret")
    (root / "round").symlink_to("round")
    return root


@pytest.mark.parametrize(
    "path",
    [
        "../secret",
        "/etc/passwd",
        "out/secret",
        "leak",
        "ping/../../secret",
        "/work/../secret",
        "/workshop",
        "a\0b",
        "~",
    ],
)
def test_nothing_outside_is_read(root: Path, path: str) -> None:
    with pytest.raises(PathRefused):
        read_file(root, path)


@pytest.mark.parametrize(
    "path", ["../new", "/new", "out/new", "leak", "/work/../new", ".git/config", "README.md", ""]
)
def test_nothing_outside_its_part_is_written(root: Path, path: str, tmp_path: Path) -> None:
    with pytest.raises(PathRefused):
        write_file(root, path, content="x", globs=["ping/**"])

    assert (tmp_path / "secret").read_text() == "key"
    assert not (tmp_path / "new").exists()
    assert (root / "README.md").read_text() == "Pings are late or not.\n"


def test_a_link_inside_does_not_widen_what_may_be_written(root: Path) -> None:
    (root / "ping" / "door").symlink_to(root / "README.md")

    with pytest.raises(PathRefused):
        write_file(root, "ping/door", content="x", globs=["ping/**"])


@pytest.mark.parametrize("path", ["ping/new/api.py", "/work/ping/new/api.py", "./ping/new/api.py"])
def test_a_file_is_written_whole_and_read_back(root: Path, path: str) -> None:
    told = write_file(root, path, content="one\ntwo\n", globs=["ping/**"])

    assert told == "wrote ping/new/api.py, 2 lines"
    assert read_file(root, path) == "one\ntwo\n"


@pytest.mark.parametrize("path", ["nowhere.py", "ping", "round", "x" * 400])
def test_what_cannot_be_read_is_said_in_words(root: Path, path: str) -> None:
    with pytest.raises(PathRefused):
        read_file(root, path)


def test_bytes_are_no_text(root: Path) -> None:
    (root / "picture").write_bytes(b"\xff\xd8\xff")

    with pytest.raises(PathRefused, match="UTF-8"):
        read_file(root, "picture")


def test_a_name_the_disk_refuses_is_said_in_words(root: Path) -> None:
    with pytest.raises(PathRefused):
        write_file(root, f"ping/{'x' * 300}", content="x", globs=["ping/**"])


def test_a_full_disk_is_no_refusal_of_the_path() -> None:
    with pytest.raises(DiskFull):
        write_file(Path("/dev"), "full", content="x", globs=["**"])


def test_files_are_listed_in_order_without_leftovers_of_python_and_without_following_links(
    root: Path,
) -> None:
    assert list_files(root, ".").splitlines() == ["README.md", "leak", "ping/rules.py", "round"]
    assert list_files(root, "/work/ping") == "ping/rules.py"


def test_a_search_finds_lines_with_their_place(root: Path) -> None:
    assert search(root, "l[a]te") == "README.md:1:Pings are late or not.\nping/rules.py:1:def late():"
    assert search(root, "key") == "no line holds this"


def test_a_broken_pattern_is_said_in_words(root: Path) -> None:
    with pytest.raises(GitFailed):
        search(root, "(")
