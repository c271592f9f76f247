"""Mending: a finding names a place; the coder reads it and changes what is wrong nearest to it, nothing else."""

import re

from .cores.frame import final, typed
from .reading import Fault, Job, differences
from .story import Story, calls
from .wire import Ask, Said


def mend(ask: Ask, story: Story, *, job: Job) -> Said | None:
    """Read what the findings name, then the rest if that shows nothing; write each mended file once."""
    wanted = {p: t for p, t in final(job.product, job.core).items() if job.may_write(p)}
    named = [f.file for f in job.findings if f.file in wanted]
    if any(path.endswith("/pages.py") for path in named):  # a page is code and template
        named += [path for path in wanted if path.endswith("/index.html")]
    code = [
        p
        for p in wanted
        if p.endswith((".py", ".html")) and "/tests/" not in p and not p.endswith("__init__.py")
    ]
    chosen = _chosen(story, wanted, job)
    for paths in (named, code) if None in chosen else (named,):
        if unread := [path for path in dict.fromkeys(paths) if path not in story.read]:
            return calls(ask, *(("read", {"path": path}) for path in unread))
    texts: dict[str, str] = {}
    found = sorted(filter(None, set(chosen)), key=lambda fault: -fault[1].line)
    for path, hunk in found:
        texts[path] = hunk.mend(texts.get(path, story.read[path]))
    why = "; ".join(f"{path}:{hunk.line}" for path, hunk in reversed(found))
    wishes = [
        ("write", {"path": path, "content": text})
        for path, text in texts.items()
        if path not in story.written
    ]
    return calls(ask, *wishes, why=f"Mending {why} and nothing else.") if wishes else None


def _chosen(story: Story, wanted: dict[str, str], job: Job) -> list[Fault | None]:
    """For each finding the place to mend: in its own file if that differs, else a known mistake elsewhere."""
    faults = [(path, hunk) for path in story.read for hunk in differences(story.read[path], wanted.get(path))]
    known = [fault for fault in faults if _is_known(fault, job=job, wanted=wanted[fault[0]])]
    chosen: list[Fault | None] = []
    for finding in job.findings:
        near = [fault for fault in faults if fault[0] == finding.file]
        ranked = sorted(near, key=lambda fault: (fault not in known, abs(fault[1].line - finding.line)))
        chosen.append(next(iter([*ranked, *known]), None))
    return chosen


def _is_known(fault: Fault, *, job: Job, wanted: str) -> bool:
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
