"""A product's bare repository: nobody works in it, bundles go in, merges move main, archives come out."""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from agents.runtime.rules import may_write
from core.adapters import git
from factory.repo.errors import MergeRefused
from factory.repo.rules import message_of

PLATFORM = "Factory"
MAIN = "refs/heads/main"


@dataclass(frozen=True)
class Merged:
    """What main is now, and which files the change brought."""

    commit: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """One offered change: a bundle of commits on top of some earlier main."""

    name: str
    title: str
    bundle: bytes
    may_write: tuple[str, ...]
    trailers: Mapping[str, str]


@dataclass(frozen=True)
class BareRepository:
    """One bare repository at `path`; every move of main is a compare-and-swap."""

    path: Path

    @property
    def exists(self) -> bool:
        """Whether main was ever written."""
        return (self.path / "HEAD").exists() and bool(self.tip())

    def tip(self) -> str:
        """Return the commit main stands at, "" for an empty repository."""
        return git.run("rev-parse", "--verify", "-q", MAIN, cwd=self.path, fine={0, 1, 128}).text

    def found(self, tree: Path, *, title: str, trailers: Mapping[str, str]) -> str:
        """Make the repository with the files of `tree` as its first commit; a repeat changes nothing."""
        if self.exists:
            return self.tip()
        with TemporaryDirectory() as folder:
            work = Path(folder) / "work"
            shutil.copytree(tree, work, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "*.sqlite3"))
            git.run("init", "-q", ".", cwd=work)
            git.run("add", "-A", cwd=work)
            git.run("commit", "-q", "-m", message_of(title, trailers=trailers), cwd=work, who=PLATFORM)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fresh = Path(folder) / "bare.git"
            git.run("clone", "-q", "--bare", "--no-hardlinks", str(work), str(fresh), cwd=Path(folder))
            shutil.rmtree(self.path, ignore_errors=True)
            shutil.move(fresh, self.path)
        return self.tip()

    def merge(self, change: Change) -> Merged:
        """Bring `change` into main; a change that is in it already changes nothing.

        Raises:
            MergeRefused: a file outside what the change may touch, a link, or a conflict; main stands as before.
        """
        head = self._take_in(change)
        old = self.tip()
        base = git.run("merge-base", old, head, cwd=self.path).text
        files = self._files_between(base, head)
        self._check(change, head=head, files=files)
        if base == head:
            return Merged(commit=old, files=files)
        merged = git.run("merge-tree", "--write-tree", "--name-only", old, head, cwd=self.path, fine={0, 1})
        tree, *rest = merged.text.splitlines()
        if merged.code:
            raise MergeRefused(
                why="it conflicts with main", files=", ".join(line for line in rest if line)[:300]
            )
        text = message_of(change.title, trailers=change.trailers)
        new = git.run(
            "commit-tree", tree, "-p", old, "-p", head, "-m", text, cwd=self.path, who=PLATFORM
        ).text
        git.run("update-ref", MAIN, new, old, cwd=self.path)
        return Merged(commit=new, files=files)

    def archive(self, commit: str) -> bytes:
        """Return the files of `commit` as a tar: the same commit gives the same bytes."""
        return git.run("archive", "--format=tar", commit, cwd=self.path).out

    def tree_of(self, commit: str) -> str:
        """Return the id of the tree of `commit`: equal trees, equal files."""
        return git.run("rev-parse", f"{commit}^{{tree}}", cwd=self.path).text

    def text_of(self, commit: str, path: str) -> str:
        """Return one file of `commit`, "" when there is none."""
        return git.run("show", f"{commit}:{path}", cwd=self.path, fine={0, 128}).text

    def diff(self, old: str, new: str) -> str:
        """Return what changed between two commits as a unified diff."""
        return git.run("diff", "--no-color", "--no-ext-diff", old, new, cwd=self.path).text

    def files(self, commit: str) -> tuple[str, ...]:
        """Return the paths of all files of `commit`."""
        return tuple(
            git.run("ls-tree", "-r", "--name-only", "-z", commit, cwd=self.path).text.strip("\0").split("\0")
        )

    def _take_in(self, change: Change) -> str:
        ref = f"refs/offers/{change.name}"
        with TemporaryDirectory() as folder:
            bundle = Path(folder) / "offer.bundle"
            bundle.write_bytes(change.bundle)
            git.run("fetch", "-q", "--no-tags", "--force", str(bundle), f"HEAD:{ref}", cwd=self.path)
        return git.run("rev-parse", "--verify", ref, cwd=self.path).text

    def _files_between(self, old: str, new: str) -> tuple[str, ...]:
        said = git.run("diff", "--name-only", "--no-renames", "-z", old, new, cwd=self.path).text
        return tuple(name for name in said.split("\0") if name)

    def _check(self, change: Change, *, head: str, files: Iterable[str]) -> None:
        outside = [name for name in files if not may_write(name, globs=change.may_write)]
        if outside:
            raise MergeRefused(why="it touches files outside its part", files=", ".join(outside)[:300])
        listed = git.run("ls-tree", "-r", "-z", head, cwd=self.path).text.split("\0")
        strange = [line.split("\t")[-1] for line in listed if line.startswith(("120000", "160000"))]
        if strange:
            raise MergeRefused(why="it holds links or submodules", files=", ".join(strange)[:300])
