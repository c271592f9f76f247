"""git, run so that nothing of the machine or of a repository's content can make it run something else."""

import os
import subprocess
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from core.errors import FactoryError

_SAFE = (
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.autocrlf=false", "core.quotePath=false",
    "core.symlinks=true", "commit.gpgSign=false", "gc.auto=0", "maintenance.auto=false",
    "transfer.fsckObjects=true", "submodule.recurse=false", "init.defaultBranch=main", "safe.directory=*",
    "advice.detachedHead=false",
)  # fmt: skip
_ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "LANG": "C.UTF-8",
    "HOME": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "file",
}
_SUCCESS = frozenset({0})


class GitFailed(FactoryError):
    """git could not do this."""

    code = "GIT_FAILED"
    http_status = 500


@dataclass(frozen=True)
class Said:
    """How git ended and what it wrote."""

    code: int
    out: bytes

    @property
    def text(self) -> str:
        """What it wrote, without the last line's end."""
        return self.out.decode(errors="replace").rstrip("\n")


def run(
    *args: str | Path,
    cwd: Path,
    stdin: bytes = b"",
    who: str = "",
    fine: Set[int] = _SUCCESS,
    timeout_s: float = 120,
) -> Said:
    """Run one git command in `cwd`: no hooks, no configuration of machine or user, no network, no `GIT_*` of ours.

    Args:
        *args: the verb and its arguments.
        cwd: the repository, bare or not; one in a folder above is not looked for.
        stdin: what git reads.
        who: author and committer, e.g. `Rex`; needed by commands that make a commit.
        fine: the exit codes that are answers (`merge-tree` says 1 for a conflict).
        timeout_s: machine time until it is killed.

    Raises:
        GitFailed: another exit code, the time was over, or there is no such folder.
    """
    settings = [part for setting in _SAFE for part in ("-c", setting)]
    command = ["git", *settings, *map(str, args)]
    verb = next((arg for arg in args if not str(arg).startswith("-")), "")
    try:
        done = subprocess.run(  # noqa: S603 (git itself, no shell; the environment is ours alone)
            command, cwd=cwd, env=_environment(cwd, who), input=stdin, capture_output=True, timeout=timeout_s,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise GitFailed(verb=verb, why=f"not done after {timeout_s:.0f} s") from None
    except OSError as error:
        raise GitFailed(verb=verb, why=f"{error.strerror}: {error.filename}") from None
    if done.returncode not in fine:
        raise GitFailed(verb=verb, code=done.returncode, why=done.stderr.decode(errors="replace")[-500:])
    return Said(done.returncode, done.stdout)


def _environment(cwd: Path, who: str) -> dict[str, str]:
    """A repository is found in `cwd` or not at all: never in a folder above."""
    found = _ENVIRONMENT | {"GIT_CEILING_DIRECTORIES": str(Path(cwd).resolve().parent)}
    if who:
        mail = f"{who.lower()}@factory.invalid"
        found |= {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER")
                  for part, value in (("NAME", who), ("EMAIL", mail))}  # fmt: skip
    return found
