"""Imports as a careful coder leaves them: only what is used, sorted, in three groups."""

import re
import sys

_LINE = re.compile(r"^(?:import (?P<module>\S+)|from (?P<source>\S+) import (?P<names>.+))$")


def tidy(text: str) -> str:
    """`text` with the import lines of its head cleaned up; whatever has none stays as it is."""
    lines = text.split("\n")
    end = next((n for n, line in enumerate(lines) if n and line and not _LINE.match(line)), len(lines))
    taken = [found for line in lines[:end] if (found := _LINE.match(line))]
    if not taken:
        return text
    rest = "\n".join(lines[end:])
    groups: dict[int, list[str]] = {}
    for module, line in sorted(filter(None, (_used(found, rest) for found in taken)), key=_order):
        groups.setdefault(_group(module), []).append(line)
    blocks = ["\n".join(dict.fromkeys(group)) for group in groups.values()]
    gap = "\n\n\n" if re.match(r"@|def |class ", rest) else "\n\n"
    return lines[0] + "\n\n" + "\n\n".join(blocks) + gap + rest


def _used(found: re.Match[str], rest: str) -> tuple[str, str] | None:
    if module := found["module"]:
        return (module, found[0]) if re.search(rf"\b{module}\.", rest) else None
    names = [name for name in found["names"].split(", ") if re.search(rf"\b{name}\b", rest)]
    return (found["source"], f"from {found['source']} import {', '.join(names)}") if names else None


def _group(module: str) -> int:
    top = module.partition(".")[0]
    return 0 if top in sys.stdlib_module_names else 1 if top == "django" else 2


def _order(entry: tuple[str, str]) -> tuple[int, bool, str]:
    module, line = entry
    return _group(module), line.startswith("from "), module
