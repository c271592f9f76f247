"""What the messages show: a blueprint, sources, findings."""

import difflib
import json
import re
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from .cores import CORES
from .cores.product import PARTS, Core, Product

Json = dict[str, Any]


@dataclass(frozen=True, order=True)
class Hunk:
    """One place where a text leaves what was wanted: from `line` (from 1) `wrong` stands for `right`."""

    line: int
    wrong: str
    right: str

    def mend(self, text: str) -> str:
        """`text` with this place as wanted and nothing else touched."""
        lines, size = text.splitlines(), len(self.wrong.splitlines())
        lines[self.line - 1 : self.line - 1 + size] = self.right.splitlines()
        return "\n".join(lines) + "\n"


Fault = tuple[str, Hunk]


@dataclass(frozen=True)
class Finding:
    """What a reviewer says is wrong; "" and 0 mean that it does not say."""

    file: str
    line: int
    criterion: str


@dataclass(frozen=True)
class Job:
    """One task as its opening message says it."""

    product: Product
    core: Core
    parts: tuple[str, ...]
    globs: tuple[str, ...]
    findings: tuple[Finding, ...]

    def may_write(self, path: str) -> bool:
        """True for a path that the brief declares, and for all when it declares none."""
        return not self.globs or any(fnmatch(path, glob) for glob in self.globs)


def read_job(brief: str) -> Job | None:
    """The task, or None when no blueprint is shown; without a `Part:` it is the whole product."""
    product = find_product(brief)
    if product is None:
        return None
    part, globs = (
        re.search(r"^Part:\s*(\w+)", brief, re.M),
        re.search(r"^You may write:\s*(.+)$", brief, re.M),
    )
    parts = (part[1],) if part and part[1] in PARTS else PARTS
    findings = tuple(find_findings(brief)) if not part or part[1] == "mend" else ()
    return Job(product, CORES[product.kind], parts, tuple(globs[1].split()) if globs else (), findings)


def differences(text: str, wanted: str | None) -> list[Hunk]:
    """Every place where `text` leaves `wanted`, with at most two equal lines inside; none when nothing is wanted."""
    if wanted is None:
        return []
    have, want = text.splitlines(), wanted.splitlines()
    places: list[list[int]] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, have, want, autojunk=False).get_opcodes():
        if tag != "equal" and places and a - places[-1][1] <= 2:
            places[-1][1::2] = b, d
        elif tag != "equal":
            places.append([a, b, c, d])
    return [Hunk(a + 1, "\n".join(have[a:b]), "\n".join(want[c:d])) for a, b, c, d in places]


def find_findings(text: str) -> list[Finding]:
    """Every `<finding>` that can be read."""
    found = []
    for raw in re.findall(r"<finding>\s*(\{.*?\})\s*</finding>", text, re.S):
        said = _loads(raw)
        file, line = str(said.get("file") or ""), said.get("line")
        found.append(Finding(file, line if isinstance(line, int) else 0, str(said.get("criterion") or "")))
    return found


def find_sources(text: str) -> dict[str, str]:
    """Files shown as `<file path="...">` blocks."""
    return dict(re.findall(r'<file path="([^"]+)">\n(.*?)</file>', text, re.S))


def find_product(text: str) -> Product | None:
    """The blueprint that the messages show, as last stated."""
    for named in reversed([m.start() for m in re.finditer(r'"core_function"\s*:\s*{', text)]):
        for start in reversed([m.start() for m in re.finditer("{", text[:named])]):
            if product := as_product(_loads(text[start:])):
                return product
    return None


def as_product(said: Json) -> Product | None:
    """A blueprint as something to build, or None when it is no blueprint that any core can follow."""
    try:
        core = said["core_function"]
        fields = tuple((f["name"], f["kind"], _plain(f["label"])) for f in core["fields"])
        plans = tuple(
            (_plain(p["plan"]), p["usd_month"], p["limit"], p["history_days"]) for p in said["prices"]
        )
        features = tuple(str(f["title"]) for f in said["features"])
        known = core["kind"] in CORES and plans and all(str(name).isidentifier() for name, _, _ in fields)
        names = core["kind"], _plain(core["label"]), core["app"], core["entity"], core["language"]
        return Product(said["name"], said["tagline"], *names, fields, plans, features) if known else None
    except (KeyError, TypeError):
        return None


def _plain(label: str) -> str:
    """`label` without what would end a string, a template or a tag."""
    return re.sub(r'["\\{}$<>%\n]', "", label)


def _loads(text: str) -> Json:
    """The object at the beginning of `text`, or an empty one."""
    try:
        said, _ = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
