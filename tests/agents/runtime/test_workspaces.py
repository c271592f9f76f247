"""A clone out of which only allowed files come, and into which nothing hostile reaches."""

from pathlib import Path

import pytest

from agents.runtime.adapters.workspaces import Workspace, clone, is_whole, mark_of, tip_of
from core.adapters import git
from core.registry import RepoRef
from tests.builders import a_repository


@pytest.fixture
def ref(tmp_path: Path) -> RepoRef:
    """Return a place in a bare repository with two commits."""
    return RepoRef(a_repository(tmp_path / "bare.git"), "main", "agent/api", ("ping/**",))


@pytest.fixture
def workspace(ref: RepoRef, tmp_path: Path) -> Workspace:
    """Return a fresh clone."""
    return clone(ref, base=tip_of(ref), home=tmp_path / "home")


def taken_in(ref: RepoRef, bundle: bytes, tmp_path: Path) -> str:
    """Fetch a bundle into the bare repository; return its head."""
    offer = tmp_path / "taken.bundle"
    offer.write_bytes(bundle)
    git.run("fetch", "-q", str(offer), "HEAD:refs/offers/api", cwd=ref.repository)
    return git.run("rev-parse", "refs/offers/api", cwd=ref.repository).text


def test_an_offer_goes_into_the_repository_as_one_commit_of_the_agent(
    ref: RepoRef, workspace: Workspace, tmp_path: Path
) -> None:
    (workspace.tree / "ping").mkdir()
    (workspace.tree / "ping" / "api.py").write_text("x = 1\n")

    offer = workspace.offer(title="Write the API", who="Rex", globs=ref.may_write)

    assert offer.bundle is not None
    assert taken_in(ref, offer.bundle, tmp_path) == offer.commit
    said = git.run("log", "--format=%an: %s", f"main..{offer.commit}", cwd=ref.repository).text
    assert (said, offer.files, offer.left_out) == ("Rex: Write the API", ("ping/api.py",), ())


def test_a_second_offer_is_the_same(workspace: Workspace) -> None:
    (workspace.tree / "new.py").write_text("x = 1\n")

    first = workspace.offer(title="Write", who="Rex", globs=["**"])
    second = workspace.offer(title="Write", who="Rex", globs=["**"])

    assert (first.commit, first.files) == (second.commit, second.files)


def test_no_change_is_no_bundle(workspace: Workspace) -> None:
    offer = workspace.offer(title="Nothing", who="Rex", globs=["**"])

    assert (offer.bundle, offer.files, offer.commit) == (None, (), workspace.base)


def test_only_plain_files_of_its_part_are_committed(workspace: Workspace, tmp_path: Path) -> None:
    tree = workspace.tree
    (tree / "ping" / "nested").mkdir(parents=True)
    (tree / "ping" / "api.py").write_text("x = 1\n")
    (tree / "ping" / "leak").symlink_to(tmp_path)
    (tree / "ping" / ":(glob)odd").write_text("x")
    (tree / "ping" / "db.sqlite3").write_text("x")
    (tree / "README.md").write_text("changed\n")
    git.run("init", "-q", cwd=tree / "ping" / "nested")
    git.run("commit", "-q", "--allow-empty", "-m", "inner", cwd=tree / "ping" / "nested", who="Rex")

    offer = workspace.offer(title="Write", who="Rex", globs=["ping/**"])

    assert offer.files == ("ping/:(glob)odd", "ping/api.py")
    assert set(offer.left_out) == {"README.md", "ping/leak", "ping/nested/"}


def test_a_deleted_file_of_its_part_is_gone_in_the_offer(workspace: Workspace) -> None:
    (workspace.tree / "README.md").unlink()

    offer = workspace.offer(title="Away", who="Rex", globs=["README.md"])

    assert offer.files == ("README.md",)


def test_the_agent_sees_no_git_directory_and_what_it_plants_does_not_run(
    workspace: Workspace, tmp_path: Path
) -> None:
    assert not (workspace.tree / ".git").exists()
    (workspace.tree / ".gitattributes").write_text("* filter=trap diff=trap\n")
    git.run("init", "-q", cwd=workspace.tree)
    git.run("config", "filter.trap.clean", f"touch {tmp_path}/sprung; cat", cwd=workspace.tree)
    (workspace.tree / "new.py").write_text("x = 1\n")

    offer = workspace.offer(title="Write", who="Rex", globs=["**"])

    assert not (tmp_path / "sprung").exists()
    assert set(offer.files) == {".gitattributes", "new.py"}


def test_a_clone_begins_at_the_commit_it_was_given_though_main_moved_on(ref: RepoRef, tmp_path: Path) -> None:
    old = git.run("rev-parse", "main~1", cwd=ref.repository).text

    workspace = clone(ref, base=old, home=tmp_path / "home")

    assert not (workspace.tree / "README.md").read_text().endswith("second\n")
    assert workspace.git("rev-parse", "HEAD") == old


def test_a_fresh_clone_holds_nothing_of_the_one_before(ref: RepoRef, workspace: Workspace) -> None:
    (workspace.tree / "left.py").write_text("x")

    fresh = clone(ref, base=workspace.base, home=workspace.home)

    assert not (fresh.tree / "left.py").exists()
    assert [path.name for path in fresh.home.parent.glob(".home-*")] == []


def test_a_clone_that_fails_leaves_nothing(ref: RepoRef, tmp_path: Path) -> None:
    with pytest.raises(git.GitFailed):
        clone(ref, base="0" * 40, home=tmp_path / "home")

    assert not is_whole(tmp_path / "home")
    assert {path.name for path in tmp_path.iterdir()} == {"bare.git"}


def test_a_clone_is_whole_only_when_nothing_is_left_to_repeat(workspace: Workspace) -> None:
    before = is_whole(workspace.home)

    mark_of(workspace.home).unlink()

    assert (before, is_whole(workspace.home)) == (False, True)


def test_a_branch_that_is_not_there_is_said(ref: RepoRef) -> None:
    with pytest.raises(git.GitFailed):
        tip_of(RepoRef(ref.repository, "nowhere", "agent/api"))
