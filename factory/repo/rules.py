"""What a change may touch, and what its commit says."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

FORBIDDEN = (".git/*", ".gitmodules", "*/.git/*")


def may_touch(path: str, *, may_write: Iterable[str]) -> bool:
    """Say whether a change may touch `path`; `**` at the end of a glob stands for everything below."""
    if any(fnmatchcase(path, glob) for glob in FORBIDDEN) or path.startswith(("/", "../")) or "/../" in path:
        return False
    return any(_matches(path, glob) for glob in may_write)


def _matches(path: str, glob: str) -> bool:
    if glob.endswith("**"):
        return path.startswith(glob[:-2])
    return path.count("/") == glob.count("/") and fnmatchcase(path, glob)


def message_of(title: str, *, trailers: Mapping[str, str]) -> str:
    """Return a commit message: the title, then one trailer a line."""
    lines = [f"{name}: {' '.join(value.split())}" for name, value in trailers.items() if value]
    return "\n".join([" ".join(title.split())[:72], "", *lines, ""])
