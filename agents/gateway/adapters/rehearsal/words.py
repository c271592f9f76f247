"""What an idea says: its language, the core that fits, the thing it is about, and what it asks beyond that."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from .cores import CORES
from .cores.product import Field
from .lexicon import (  # fmt: skip
    AUDIENCE,
    BEYOND,
    EXTRA_FIELDS,
    LANGUAGE_MARKS,
    NOTHING_NAMED,
    OWN_NAME,
    RESERVED,
    STOP,
    THINGS,
    VERBS,
    WISHED_LABEL,
)
from .prices import Plan, counted_noun, read_plans

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LONG_WORDS = 16


@dataclass(frozen=True)
class Idea:
    """An idea, read; `leftovers` are its words that nothing here will serve."""

    text: str
    name: str
    language: str
    core: str
    is_fit: bool
    label: str
    app: str
    entity: str
    fields: tuple[Field, ...]
    plans: tuple[Plan, ...]
    leftovers: tuple[str, ...]


def framed(tag: str, text: str) -> str:
    """What stands in `<tag>` in the messages, or ""."""
    return "\n".join(re.findall(rf"<{tag}\b[^>]*>\s*(.+?)\s*</{tag}>", text, re.I | re.S))


def find_idea(text: str) -> str:
    """The idea inside a longer message, or "" when none is marked as such."""
    found = re.search(r"^\s*(?:idea|idee|idée)\s*:\s*(.+)$", text, re.I | re.M)
    return framed("idea", text) or (found[1].strip() if found else "")


def said_once(text: str) -> str:
    """The idea in one line, without a title that only repeats its beginning."""
    folded = " ".join(text.split())
    repeated = re.match(r"(.{15,}?)\. (?=\1)", folded)
    return folded[repeated.end() :] if repeated else folded


def read_idea(text: str, *, owner: str = "", rule: str = "") -> Idea:
    """The idea as something that can be built.

    What the `owner` answered to an earlier proposal wins over it; the `rule` around it may bound its prices.
    """
    language = _language(text)
    core, is_known = _core(text, owner)
    name = _name(text)
    label, used = _wished(owner) or _thing(text.replace(name or "\0", " "), language, core=core)
    own, told = CORES[core].fields, f"{owner}\n{text}"
    names = {field.name for field in own}
    extra = [field for cue, field in EXTRA_FIELDS if cue.search(told) and field.name not in names]
    app = slug(label) or "records"
    return Idea(
        text, name, language, core, is_known and not BEYOND.search(text), label, app, entity_of(app, language=language),
        (*own, *extra)[:5], read_plans(told, usual=CORES[core].prices, rule=rule), _leftovers(text, language, used),
    )  # fmt: skip


def slug(label: str) -> str:
    """`label` as a name for files, tables and addresses; "" when no Latin letter is in it."""
    german = label.lower().translate({228: "ae", 246: "oe", 252: "ue", 223: "ss"})
    plain = unicodedata.normalize("NFKD", german).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "_", plain)[:40].strip("_0123456789")
    return f"{name}_list" if name in RESERVED else name


def entity_of(app: str, *, language: str = "en") -> str:
    """`app` as a class name, one of them where English shows how."""
    if language == "en":
        app = re.sub(r"(?<=[^aeiou])ies$", "y", app)
        app = re.sub(r"(?<=x|h|s)es$|(?<=[^su])s$", "", app)
    return "".join(part.capitalize() for part in app.split("_"))


def _core(text: str, owner: str) -> tuple[str, bool]:
    """The core that the owner names, else the one whose cues the words hold most; and whether any fits."""
    if named := re.search(r"\b(" + "|".join(CORES) + r")\b", owner, re.I):
        return named[1].lower(), True
    strong = {name: sum(1 for _ in _found(core.cues, text)) for name, core in CORES.items()}
    scores = {
        name: 2 * strong[name] + sum(1 for _ in _found(core.hints, text)) for name, core in CORES.items()
    }
    best = max(filter(strong.get, scores), key=lambda name: (scores[name], name == "register"), default="")
    return best or "register", bool(best)


def _found(cues: tuple[str, ...], text: str) -> Iterator[re.Match[str]]:
    return (found for cue in cues for found in re.finditer(cue, text, re.I))


def _language(text: str) -> str:
    words = [w.lower() for w in _WORD.findall(text)]
    marks = {lang: len(re.findall(cue, text, re.I)) for lang, cue in LANGUAGE_MARKS.items()}
    score = {lang: 2 * sum(w in stop for w in words) + marks[lang] for lang, stop in STOP.items()}
    return max(score, key=lambda lang: (score[lang], lang == "en"))


def _content(text: str, language: str) -> list[str]:
    """The words that carry meaning, in their order."""
    clean = re.sub(r"\b([dlqn])['\u2019]", r"\1 ", text, flags=re.I) if language == "fr" else text
    clean = re.sub(r"[^\W\d_]+['\u2019]s\b", " ", clean)
    return [w for w in _WORD.findall(clean) if w.lower() not in STOP[language] | VERBS and len(w) > 2]


def _name(text: str) -> str:
    """The name that the idea gives itself, or ""."""
    found = OWN_NAME.search(text)
    return next(filter(None, found.groups()), "") if found else ""


def _wished(owner: str) -> tuple[str, set[str]] | None:
    """The thing as the owner calls it."""
    found = WISHED_LABEL.search(owner)
    return (found[1][0].upper() + found[1][1:], {found[1].lower()}) if found else None


def _thing(text: str, language: str, *, core: str) -> tuple[str, set[str]]:
    """The thing that the idea is about, and which words said so."""
    if counted := counted_noun(text):
        return counted.capitalize(), {counted.lower()}
    told = text if len(text.split()) > _LONG_WORDS else ""
    counts = {labels[language]: len(re.findall(cue, told, re.I)) for cue, labels in THINGS.items()}
    best = max(counts, key=lambda label: counts[label])
    if counts[best]:
        return best, {w.lower() for w in _WORD.findall(best)}
    return _own_words(text, language, near=[found.start() for found in _found(CORES[core].cues, told)])


def _own_words(text: str, language: str, *, near: list[int]) -> tuple[str, set[str]]:
    """The first noun that is not whom it is for, or the one nearest to what happens; with what belongs to it."""
    words = _content(text, language)
    audience = {word.lower() for found in AUDIENCE.findall(text) for word in found.split()}
    nouns = [w for w in words if w[0].isupper()] if language == "de" else words
    nouns = [w for w in nouns if w.lower() not in audience] or nouns
    if not nouns:
        return NOTHING_NAMED[language], set()
    if near:
        nouns = sorted(nouns, key=lambda noun: min(abs(text.find(noun) - place) for place in near))
    label = _compound(nouns[0], text, words, language)
    label = label[0].upper() + label[1:]
    return label, {w.lower() for w in _WORD.findall(label)} | {nouns[0].lower()}


def _compound(head: str, text: str, words: list[str], language: str) -> str:
    if language in ("fr", "es"):
        pair = re.search(rf"{re.escape(head)}\s+(?:de\s+|d['\u2019]\s*)([^\W\d_]+)", text, re.I)
        return pair[0] if pair and pair[1].lower() not in STOP[language] else head
    label = head
    for _ in range(2 if language == "en" else 0):  # the words that follow at once
        pair = re.search(rf"\b{re.escape(label)}\s+([^\W\d_]+)", text)
        fits = pair and pair[1] in words and not pair[1].endswith(("ing", "ed", "ly"))
        label = f"{label} {pair[1]}" if pair and fits and not label.endswith("s") else label
    return f"{label}s" if language == "en" and label.isascii() and not label.endswith("s") else label


def _leftovers(text: str, language: str, used: set[str]) -> tuple[str, ...]:
    """Content words that no core, field or label took up."""
    cues = [cue for core in CORES.values() for cue in core.cues]
    rest = [w for w in _content(text, language) if w.lower() not in used and not w[0].isdigit()]
    rest = [w for w in rest if not any(cue.search(w) for cue, _ in EXTRA_FIELDS)]
    return tuple(dict.fromkeys(w for w in rest if not any(re.search(cue, w, re.I) for cue in cues)))
