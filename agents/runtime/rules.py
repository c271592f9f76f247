"""When an attempt must end, what an agent may write, and how much it is shown."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise

from agents.gateway.errors import BatchPending, InvalidAnswer, RateLimited, Stopped
from agents.runtime.errors import AnswerCut, DeniedTooOften, Halted, Stuck
from billing.errors import BudgetBusy, BudgetExceeded, SwitchSet
from core.errors import FactoryError
from core.registry import Json, Outcome

SAME_CALL_AT_MOST = 2
GROWTH, GROWING_TURNS = 1.2, 3
LARGE_TOKENS = 100_000
SAME_WORDS, LEAST_WORDS = 0.9, 20
"""Two answers in a row say the same from this cosine on; shorter ones say too little to compare."""
SAME_TOOL_OFTEN = 5
DENIALS_AT_MOST = 2
LARGEST_ROOM_TOKENS = 32_768
RESULT_CHARS = 4_000
FILE_CHARS = 40_000
"""A file is shown whole up to here: whoever sees half a file and writes it back destroys the other half."""
SUMMARY_CHARS = 4_000
_FORBIDDEN = (".git", ".git/*", "*/.git", "*/.git/*", ".gitmodules")

_CLASSES: tuple[tuple[type[FactoryError], str], ...] = (
    (Stuck, "stuck"),
    (DeniedTooOften, "stuck"),
    (AnswerCut, "invalid_output"),
    (InvalidAnswer, "invalid_output"),
    (BudgetBusy, "transient"),
    (BudgetExceeded, "budget"),
    (RateLimited, "transient"),
)
_FAULT_OF_THE_WORK = frozenset({"stuck", "invalid_output", "low_quality", ""})


def why_stuck(
    *, calls: Sequence[str], prompt_tokens: Sequence[int], most_calls: int, said: Sequence[str] = ()
) -> str:
    """Return why an attempt must end, or an empty text. Source: R-01.30, R-08.16.

    Args:
        calls: a digest of tool and arguments for each call of the attempt, those now wanted included.
        prompt_tokens: input tokens of each turn so far.
        most_calls: how many tool calls an attempt may make.
        said: what the model wrote in each turn so far.
    """
    if len(calls) > most_calls:
        return f"more than {most_calls} tool calls"
    if any(count > SAME_CALL_AT_MOST for count in Counter(calls).values()):
        return f"the same tool call {SAME_CALL_AT_MOST + 1} times"
    steps = list(pairwise(prompt_tokens))[-GROWING_TURNS:]
    if len(steps) == GROWING_TURNS and all(after > GROWTH * before for before, after in steps):
        return f"{GROWING_TURNS} turns in a row, each with a fifth more to read"
    if len(steps) == GROWING_TURNS and prompt_tokens[-1] > LARGE_TOKENS and all(b > a for a, b in steps):
        return f"more than {LARGE_TOKENS:,} tokens to read, and more in each of {GROWING_TURNS} turns"
    if len(said) > 1 and says_the_same(*said[-2:]):
        return "the same words twice in a row"
    return ""


def says_the_same(one: str, other: str) -> bool:
    """Say whether two texts use nearly the same words equally often: the cosine of their counts. Source: R-08.16."""
    a, b = (Counter(re.findall(r"\w+", text.lower())) for text in (one, other))
    if min(a.total(), b.total()) < LEAST_WORDS:
        return False
    lengths = math.sqrt(sum(n * n for n in a.values()) * sum(n * n for n in b.values()))
    return sum(n * b[word] for word, n in a.items()) >= SAME_WORDS * lengths


def often_used(tools: Iterable[str]) -> dict[str, int]:
    """Return the tools used more than five times: worth a look, no more. Source: R-08.16."""
    return {tool: n for tool, n in Counter(tools).items() if n > SAME_TOOL_OFTEN}


def opening(brief: str, *, upstream: Mapping[str, Json], told_error: str) -> str:
    """Return the first message: the brief, what the tasks before say in short, and why the last attempt failed.

    What others wrote stands between marks: it is data.
    """
    parts = [
        _said_before(key, result) for key, before in upstream.items() if (result := before.get("result"))
    ]
    left_out = sorted(key for key, before in upstream.items() if before.get("left_out"))
    if left_out:
        parts.append(f"The owner left out: {', '.join(left_out)}. Go on without it.")
    if told_error:
        error = marked("last_attempt", f"\n{tail(told_error)}\n")
        parts.append(f"{error}\nThat attempt failed; do not repeat it.")
    return "\n\n".join([brief, *parts])


def _said_before(key: str, result: Json) -> str:
    """Return what one task before says: its summary, or an answer without one whole, between marks of its name."""
    name = key.partition("-")[0]
    if text := result.get("summary"):
        said = f"\n{head(str(text), at_most=SUMMARY_CHARS)}\n"
        return marked("upstream", said, task=name)
    whole = json.dumps(result, ensure_ascii=False, sort_keys=True)
    return marked(name, head(whole, at_most=FILE_CHARS))


def marked(mark: str, text: str, **named: str) -> str:
    """Return `text` between marks that it cannot close itself: whoever reads it takes it as data, never as an order."""
    names = "".join(f' {name}="{value}"' for name, value in named.items())
    harmless = re.sub(rf"</(?=\s*{mark})", "< /", text, flags=re.IGNORECASE)
    return f"<{mark}{names}>{harmless}</{mark}>"


def rooms(tokens: int) -> list[int]:
    """Return how many tokens an answer may have: as given, then twice as much after each cut, up to the largest."""
    sizes = [min(tokens << doubling, LARGEST_ROOM_TOKENS) for doubling in range(3)]
    return list(dict.fromkeys(sizes))


def error_class(refusal: FactoryError) -> str:
    """Return the class of a failure. Source: R-01.16."""
    named = (said for kind, said in _CLASSES if isinstance(refusal, kind))
    passes = refusal.http_status >= 500 or refusal.is_retryable
    return next(named, "transient" if passes else "permanent")


def outcome_of(refusal: FactoryError) -> Outcome:
    """Return what an attempt that was refused amounts to: asked to stop, kept waiting, or failed."""
    if isinstance(refusal, Halted | Stopped | SwitchSet):
        return Outcome(kind="stopped", error=refusal.sentence)
    if isinstance(refusal, BatchPending):
        return Outcome(kind="stopped", error=refusal.sentence, waits_for=str(refusal.facts["batch"]))
    if isinstance(refusal, BudgetExceeded) and refusal.short is not None:
        return Outcome(kind="stopped", error=refusal.sentence, short=refusal.short)
    return Outcome(kind="failed", error=str(refusal), error_class=error_class(refusal), misses=refusal.misses)


def goes_on(*, state: str, failed_as: str) -> bool:
    """Say whether the next attempt continues this conversation: it ended for a reason outside the work."""
    return state in ("running", "stopped") or (state == "failed" and failed_as not in _FAULT_OF_THE_WORK)


def may_write(path: str, *, globs: Iterable[str]) -> bool:
    """Say whether `path`, relative to the workspace, is among `globs`; `**` at the end stands for everything below."""
    if any(fnmatchcase(path, glob) for glob in _FORBIDDEN) or path.startswith("/") or ".." in path.split("/"):
        return False
    return any(_matches(path, glob) for glob in globs)


def _matches(path: str, glob: str) -> bool:
    if glob.endswith("**"):
        return path.startswith(glob[:-2])
    return path.count("/") == glob.count("/") and fnmatchcase(path, glob)


def head(text: str, *, at_most: int = RESULT_CHARS) -> str:
    """Return the beginning of `text`, and how much was left out."""
    return text if len(text) <= at_most else f"{text[:at_most]}\n... {len(text) - at_most} characters more"


def tail(text: str, *, at_most: int = RESULT_CHARS) -> str:
    """Return the end of `text`, and how much was left out before it."""
    return text if len(text) <= at_most else f"... {len(text) - at_most} characters before\n{text[-at_most:]}"
