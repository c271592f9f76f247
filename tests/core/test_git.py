"""git on content nobody trusts."""

from pathlib import Path

import pytest

from core.adapters import git


def a_repository(folder: Path) -> Path:
    """Return a new repository with one commit."""
    folder.mkdir()
    git.run("init", "-q", cwd=folder)
    (folder / "README.md").write_text("hello\n")
    git.run("add", "-A", cwd=folder)
    git.run("commit", "-qm", "first", cwd=folder, who="Rex")
    return folder


def test_a_commit_bears_the_name_it_was_given(tmp_path: Path) -> None:
    repository = a_repository(tmp_path / "r")

    said = git.run("log", "-1", "--format=%an <%ae> %cn", cwd=repository)

    assert said.text == "Rex <rex@factory.invalid> Rex"


def test_the_name_given_wins_over_the_name_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = a_repository(tmp_path / "r")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "machine")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "machine@localhost")

    git.run("commit", "-q", "--allow-empty", "-m", "second", cwd=repository, who="Kev")

    assert git.run("log", "-1", "--format=%an", cwd=repository).text == "Kev"


def test_hooks_and_monitors_of_a_repository_do_not_run(tmp_path: Path) -> None:
    repository = a_repository(tmp_path / "r")
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    (repository / ".git" / "hooks").mkdir(exist_ok=True)
    trap.rename(hook := repository / ".git" / "hooks" / "post-commit")
    git.run("config", "core.fsmonitor", str(hook), cwd=repository)
    git.run("config", "core.hooksPath", str(hook.parent), cwd=repository)

    (repository / "more").write_text("x")
    git.run("add", "-A", cwd=repository)
    git.run("commit", "-qm", "second", cwd=repository, who="Rex")
    git.run("status", cwd=repository)

    assert not (tmp_path / "sprung").exists()


def test_the_users_own_configuration_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = a_repository(tmp_path / "r")
    (tmp_path / ".gitconfig").write_text("[alias]\n\tgreet = rev-parse HEAD\n")
    monkeypatch.setenv("HOME", str(tmp_path))

    with pytest.raises(git.GitFailed, match="greet"):
        git.run("greet", cwd=repository)


def test_a_repository_in_a_folder_above_is_not_found(tmp_path: Path) -> None:
    inside = a_repository(tmp_path / "r") / "inside"
    inside.mkdir()

    with pytest.raises(git.GitFailed):
        git.run("rev-parse", "HEAD", cwd=inside)


def test_the_network_is_closed(tmp_path: Path) -> None:
    with pytest.raises(git.GitFailed, match="not allowed"):
        git.run("clone", "http://127.0.0.1:9/x.git", "copy", cwd=tmp_path)


def test_an_expected_exit_code_is_an_answer(tmp_path: Path) -> None:
    repository = a_repository(tmp_path / "r")

    said = git.run("diff", "--quiet", "--no-index", "/dev/null", "README.md", cwd=repository, fine={0, 1})

    assert said.code == 1


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(git.GitFailed, match="No such file"):
        git.run("status", cwd=tmp_path / "gone")
