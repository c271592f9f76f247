"""Imports as a careful coder leaves them: only what is used, sorted, in three groups."""

import re
import sys

_LINE = re.compile(r"^(?:import (?P<module>\S+)|from (?P<source>\S+) import (?P<names>.+))$")


def tidy(text: str) -> str:
    """`text` with the import lines of its head cleaned up; a text without imports stays as it is."""
    lines = text.split("\n")
    end = next((n for n, line in enumerate(lines) if n and line and not _LINE.match(line)), len(lines))
    taken = [found for line in lines[:end] if (found := _LINE.match(line))]
    if not taken:
        return text
    rest = "\n".join(lines[end:])
    blocks = ["\n".join(group) for group in _groups(taken, rest) if group]
    gap = "\n\n\n" if re.match(r"@|def |class ", rest) else "\n\n"
    return lines[0] + "\n\n" + "\n\n".join(blocks) + gap + rest


def _groups(taken: list[re.Match[str]], rest: str) -> tuple[list[str], ...]:
    """Lines of the standard library, of Django, of our own; plain imports first in each."""
    names: dict[str, set[str]] = {}
    groups: tuple[list[str], ...] = ([], [], [])
    for found in taken:
        if (module := found["module"]) and re.search(rf"\b{module}\.", rest):
            groups[_group(module)].append(found[0])
        for name in (found["names"] or "").split(", "):
            if name and re.search(rf"\b{name}\b", rest):
                names.setdefault(found["source"], set()).add(name)
    for group in groups:
        group.sort()
    for source in sorted(names):
        groups[_group(source)].append(f"from {source} import {', '.join(sorted(names[source], key=_rank))}")
    return groups


def _rank(name: str) -> tuple[bool, bool, str]:
    """CONSTANTS, then Classes, then the rest."""
    return not name.isupper(), not name[0].isupper(), name


def _group(module: str) -> int:
    top = module.partition(".")[0]
    return 0 if top in sys.stdlib_module_names else 1 if top == "django" else 2
