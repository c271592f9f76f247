"""What the commit of a change says."""

from collections.abc import Mapping


def message_of(title: str, *, trailers: Mapping[str, str]) -> str:
    """Return a commit message: the title, then one trailer a line."""
    lines = [f"{name}: {' '.join(value.split())}" for name, value in trailers.items() if value]
    return "\n".join([" ".join(title.split())[:72], "", *lines, ""])
