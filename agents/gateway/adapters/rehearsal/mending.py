"""Mending: a finding names a place; the coder reads it and changes what is wrong nearest to it, nothing else."""

import re
from typing import Protocol

from .cores.frame import typed
from .cores.product import Core, Product
from .reading import Finding, Hunk, differences
from .story import Story, calls
from .wire import Ask, Said


class Findings(Protocol):
    """What a mending task knows."""

    @property
    def product(self) -> Product:
        """What is built."""

    @property
    def core(self) -> Core:
        """What it is built by."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong."""


def mend(ask: Ask, story: Story, wanted: dict[str, str], *, job: Findings) -> Said | None:
    """Read what the findings name, then the rest if that shows nothing; write each mended file once."""
    named = dict.fromkeys(f.file for f in job.findings if f.file in wanted)
    if any(path.endswith("/pages.py") for path in named):  # a page is code and template
        named |= dict.fromkeys(path for path in wanted if path.endswith("/index.html"))
    code = dict.fromkeys(p for p in wanted if p.endswith((".py", ".html")) and "/tests/" not in p and not p.endswith("__init__.py"))
    chosen = _chosen(story, wanted, job)
    for paths in (named, code) if not all(chosen) else (named,):
        if unread := [path for path in paths if path not in story.read]:
            return calls(ask, *(("read", {"path": path}) for path in unread))
    texts: dict[str, str] = {}
    for path, hunk in sorted({pair for pair in chosen if pair}, key=lambda pair: -pair[1].line):
        texts[path] = hunk.mend(texts.get(path, story.read[path]))
    why = "; ".join(f"{path}:{hunk.line}" for path, hunk in filter(None, chosen))
    wishes = [("write", {"path": path, "content": text}) for path, text in texts.items()]
    return calls(ask, *wishes, why=f"Mending {why} and nothing else.") if texts else None


def _chosen(story: Story, wanted: dict[str, str], job: Findings) -> list[tuple[str, Hunk] | None]:
    """For each finding the place to mend: in its own file if that differs, else a known mistake elsewhere."""
    faults = [(path, hunk) for path in story.read for hunk in differences(story.read[path], wanted.get(path))]
    known = [fault for fault in faults if _is_known(fault, job=job, wanted=wanted[fault[0]])]
    chosen: list[tuple[str, Hunk] | None] = []
    for finding in job.findings:
        near = [fault for fault in faults if fault[0] == finding.file]
        ranked = sorted((fault not in known, abs(fault[1].line - finding.line), fault) for fault in near)
        chosen.append(next(iter([*(fault for *_, fault in ranked), *known]), None))
    return chosen


def _is_known(fault: tuple[str, Hunk], *, job: Findings, wanted: str) -> bool:
    """True for a mistake that coders are known to make in that file."""
    path, hunk = fault
    for defect in (d for d in job.core.defects if path.endswith(f"/{d.file}")):
        right, wrong = typed(job.product, defect)
        known = differences(wanted.replace(right, wrong, 1), wanted)
        if any((_masked(k.wrong), k.right) == (_masked(hunk.wrong), hunk.right) for k in known):
            return True
    return False


def _masked(text: str) -> str:
    return re.sub(r"\$noise|[0-9a-f]{32}", "#", text)
