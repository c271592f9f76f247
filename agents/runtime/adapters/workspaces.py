"""The place where an attempt works: a clone whose git directory lies beside it, out of the agent's reach."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from agents.runtime.rules import may_write
from core.adapters import git
from core.registry import RepoRef

_NEVER_KEPT = "__pycache__/\n*.py[cod]\n*.sqlite3*\n.coverage\n.pytest_cache/\n"


@dataclass(frozen=True)
class Offer:
    """What an attempt committed: a bundle of `base..HEAD`; `bundle` None when nothing was changed."""

    base: str
    commit: str
    files: tuple[str, ...]
    left_out: tuple[str, ...]
    bundle: bytes | None


@dataclass(frozen=True)
class Workspace:
    """A checkout of `base` in `home`; `tree` is all an agent ever sees."""

    home: Path
    base: str

    @property
    def tree(self) -> Path:
        """Where the agent works."""
        return self.home / "tree"

    def git(
        self, *args: str | Path, stdin: bytes = b"", who: str = "", fine: frozenset[int] = frozenset({0})
    ) -> str:
        """Run git on this checkout; return what it wrote."""
        place = (f"--git-dir={self.home / 'git'}", f"--work-tree={self.tree}", "--literal-pathspecs")
        return git.run(*place, *args, cwd=self.tree, stdin=stdin, who=who, fine=fine).text

    def offer(self, *, title: str, who: str, globs: Sequence[str]) -> Offer:
        """Commit what may be committed, as `who`, and return it. Safe to run twice."""
        fitting, left_out = self._changes(globs)
        if fitting:
            self.git(
                "add",
                "-A",
                "--pathspec-from-file=-",
                "--pathspec-file-nul",
                stdin="\0".join(fitting).encode(),
            )
            self.git("commit", "-q", "-m", title, who=who)
        head = self.git("rev-parse", "HEAD")
        if head == self.base:
            return Offer(self.base, head, (), left_out, None)
        bundle = self.home / "offer.bundle"
        self.git("bundle", "create", "-q", bundle, f"{self.base}..HEAD")
        files = tuple(_split(self.git("diff", "--name-only", "--no-renames", "-z", self.base, "HEAD")))
        return Offer(self.base, head, files, left_out, bundle.read_bytes())

    def _changes(self, globs: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The changed paths that may be committed, and those that may not: foreign ones, links, nested repositories."""
        said = self.git("status", "--porcelain", "-z", "--untracked-files=all", "--no-renames")
        changed = sorted(line[3:] for line in _split(said))
        fitting = tuple(path for path in changed if self._is_plain(path) and may_write(path, globs=globs))
        return fitting, tuple(path for path in changed if path not in fitting)

    def _is_plain(self, path: str) -> bool:
        return not path.endswith("/") and not (self.tree / path).is_symlink()


def tip_of(ref: RepoRef) -> str:
    """Return the commit that `ref.commit` (a commit or a branch) stands for now."""
    return git.run("rev-parse", "--verify", "--quiet", f"{ref.commit}^{{commit}}", cwd=ref.repository).text


def is_whole(home: Path) -> bool:
    """Say whether the workspace in `home` holds the effect of every finished step and of no unfinished one."""
    return (home / "tree").is_dir() and (home / "git").is_dir() and not mark_of(home).exists()


def mark_of(home: Path) -> Path:
    """Return the file that stands in `home` while a step is half done, or finished ones are still to be repeated."""
    return home / "unfinished"


def clone(ref: RepoRef, *, base: str, home: Path) -> Workspace:
    """Return a fresh checkout of `base` on the branch of `ref` in `home`; what stood there is gone.

    It appears complete or not at all, and marked: what earlier attempts did is still to be repeated.
    """
    fresh = Workspace(home.with_name(f".{home.name}-{uuid4().hex[:8]}"), base)
    fresh.tree.mkdir(parents=True)
    try:
        fresh.git("init", "-q")
        (fresh.home / "git" / "info").mkdir(exist_ok=True)
        (fresh.home / "git" / "info" / "exclude").write_text(_NEVER_KEPT)
        fresh.git("fetch", "-q", "--depth=1", "--no-tags", ref.repository.resolve().as_uri(), base)
        fresh.git("checkout", "-q", "-B", ref.branch, base)
        mark_of(fresh.home).touch()
        shutil.rmtree(home, ignore_errors=True)
        fresh.home.rename(home)
    finally:
        shutil.rmtree(fresh.home, ignore_errors=True)
    return Workspace(home, base)


def remove(home: Path) -> None:
    """Remove a workspace; safe to run twice."""
    shutil.rmtree(home, ignore_errors=True)


def _split(said: str) -> Iterator[str]:
    return (name for name in said.split("\0") if name)
