"""Whether git is good enough."""

from pathlib import Path

from core.adapters import git
from core.registry import Finding, register_check

OLDEST = (2, 38)


@register_check("git")
def check_git() -> Finding:
    """merge-tree came with 2.38; without it nothing can be merged."""
    words = git.run("version", cwd=Path("/")).text.split()
    found = tuple(int(part) for part in words[2].split(".")[:2])
    if found < OLDEST:
        return Finding("fail", f"git is {words[2]}; merging needs 2.38 or newer", cure="apt-get install git")
    return Finding("fine", f"git {words[2]}")
