"""A coder that knows only its messages: look, write its part, run the tests, mend what they show, finish."""

import re

from .cores import CORES
from .cores.frame import files, typed
from .cores.product import Defect, Product
from .dice import Dice, Seed
from .mending import mend
from .reading import Job, differences, read_job
from .story import Story, calls, can_code, story_of
from .wire import Ask, Said

__all__ = ["can_code", "next_step", "planted"]
_SLIPS = (  # mistakes that the part's own tests show
    Defect("import_forgotten", "models.py", "from house import clock\n", ""),
    Defect("name_mistyped", "api.py", "rules.add(request.user", "rules.addd(request.user"),
    Defect("verb_mistyped", "pages.py", "rules.history(item)", "rules.histroy(item)"),
)
_LOOKS = {
    "core": ("product/domain.py",),
    "api": ("$app/models.py", "$app/rules.py"),
    "pages": ("$app/models.py", "$app/forms.py", "$app/rules.py"),
    "integration": ("$app/urls.py", "product/copy.json", "product/plans.json"),
}


def next_step(ask: Ask, *, seed: Seed) -> Said:
    """The next tool calls, or the closing sentence."""
    job, story = read_job(ask.turns[0].text), story_of(ask)
    if job is None:
        return Said("I see no blueprint that I could build: needs a real model.")
    step = mend(ask, story, job=job) if job.findings else _build(ask, job, story, seed)
    return step or _check(ask, job, story) or Said(_closing(job, story))


def planted(product: Product, *, seed: Seed) -> Defect | None:
    """The one mistake of this product, decided by its blueprint alone, so that every part of it agrees."""
    core, chance = CORES[product.kind], _chance(product, seed)
    if seed.defect:
        return next((d for d in core.defects if d.name == seed.defect), None)
    if seed.is_clean or not chance.hits("defects", share=0.9):
        return None
    gate = "scan" if chance.hits("gate", share=0.1) else "journey"
    return chance.pick("defect", [d for d in core.defects if d.gate == gate])


def _chance(product: Product, seed: Seed) -> Dice:
    return Dice(seed.number, repr(product))


def _build(ask: Ask, job: Job, story: Story, seed: Seed) -> Said | None:
    """One turn to look, one to write everything that is not there yet."""
    looks = [job.product.fill(path) for part in job.parts for path in _LOOKS[part]]
    unread = [path for path in looks if path not in story.read]
    if not story.was_listed or unread:
        wishes = [("list", {"path": "."})] * (not story.was_listed) + [("read", {"path": p}) for p in unread]
        if (said := calls(ask, *wishes, why="First a look at what is there.")).calls and not story.written:
            return said
    todo = {p: t for p, t in _typed(job, story, seed).items() if p not in story.written and job.may_write(p)}
    return calls(ask, *(("write", {"path": p, "content": t}) for p, t in todo.items())) if todo else None


def _typed(job: Job, story: Story, seed: Seed) -> dict[str, str]:
    """The files of this part as this coder types them: with its slip and its share of the planted mistake."""
    made = {p: t for part in job.parts for p, t in files(job.product, job.core)[part].items()}
    chance = _chance(job.product, seed)
    noise = f"{chance.number('noise'):016x}{chance.number('more noise'):016x}"
    slips = [d for d in _SLIPS if not seed.is_clean and not seed.defect and chance.hits(d.name, share=0.12)]
    for defect in filter(None, (planted(job.product, seed=seed), *slips)):
        right, wrong = typed(job.product, defect, noise=noise)
        path = next((p for p, text in made.items() if p.endswith(f"/{defect.file}") and right in text), None)
        if path:
            made[path] = made[path].replace(right, wrong, 1)
    if "core" in job.parts:
        made["product/domain.py"] = _domain(story.read.get("product/domain.py", ""), job.product.app)
    return made


def _domain(text: str, app: str) -> str:
    """The list of apps with `app` in it, whatever else stands there."""
    if f'"{app}"' in text:
        return text
    listed = re.sub(r"(APPS\b[^=\n]*=\s*\[)\s*", rf'\g<1>"{app}", ', text, count=1).replace(", ]", "]")
    return listed if listed != text else f'"""The apps of this product."""\n\nAPPS = ["{app}"]\n'


def _check(ask: Ask, job: Job, story: Story) -> Said | None:
    """Make migrations where rows changed, then run the tests, after the last write; mend what they show."""
    if not story.written:
        return None
    done = [command for command, _ in story.runs_since]
    if missing := [c for c in _commands(job, story) if c not in done]:
        return calls(ask, *(("run", {"command": c}) for c in missing))
    broken = [output for output in dict(story.runs_since).values() if not output.startswith("exit 0")]
    return _repair(ask, job, story, "\n".join(broken)) if broken else None


def _commands(job: Job, story: Story) -> list[str]:
    app = job.product.app
    has_rows = f"{app}/models.py" in story.written and not job.findings
    made = [f"python manage.py makemigrations --no-header {app}"] * has_rows
    return [*made, f"python manage.py test{'' if 'integration' in job.parts else f' {app}'}"]


def _repair(ask: Ask, job: Job, story: Story, output: str) -> Said | None:
    """Mend the place that has a word of the error itself: what the output does not show stays as it is."""
    errors = "\n".join(re.findall(r"^[\w.]*(?:Error|Exception|Configured)\b.*", output, re.M))
    words = set(re.findall(r"(?:'|\(|\")(\w+)", errors))
    wanted = {p: t for part in job.parts for p, t in files(job.product, job.core)[part].items()}
    for path, have in story.written.items():
        for hunk in differences(have, wanted.get(path)):
            if any(re.search(rf"\b{re.escape(word)}\b", hunk.wrong + hunk.right) for word in words):
                why = f"{', '.join(sorted(words))}: mending {path}:{hunk.line}."
                return calls(ask, ("write", {"path": path, "content": hunk.mend(have)}), why=why)
    return None


def _closing(job: Job, story: Story) -> str:
    named = ", ".join(filter(None, (f.criterion or f.file for f in job.findings)))
    if job.findings and not story.written:
        return f"I read {', '.join(story.read) or 'nothing'} and see nothing that breaks {named}: needs a real model."
    what = f"mended {named}" if job.findings else f"{' and '.join(job.parts)} of {job.product.label} written"
    passed = all(output.startswith("exit 0") for _, output in story.runs_since)
    tests = "pass" if passed else "still fail: needs a real model"
    return f"Done: {what}, {len(story.written)} files, own tests {tests}."
