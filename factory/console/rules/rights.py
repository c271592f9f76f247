"""What an agent may do, in plain words: read from its definition, never from what it says of itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

TOOL_WORDS: Final = {
    "list_files": "See which files are in the copy it was given",
    "read_file": "Read files there",
    "write_file": "Write files there, inside its part",
    "search": "Search in them",
    "run": "Run commands and tests there, without the internet",
}
CAPABILITY_WORDS: Final = {
    "code": "Write and repair code, in a branch of its own",
    "review": "Look for faults in what others wrote",
    "test": "Add cases to a test",
    "security": "Look for holes",
    "deploy": "Prepare a version for its users",
    "research": "Read what people complain of and ask for",
    "plan": "Plan work and hand it out",
    "decompose": "Split work into steps",
    "strategy": "Write blueprints and plans",
    "write": "Write texts",
    "design": "Lay out pages",
    "analyze": "Read numbers and say what they mean",
    "legal": "Read terms and point to risks",
    "content": "Draft posts and pages",
    "support": "Draft answers to customers",
    "finance": "Add up what things cost and bring",
}
FENCE: Final = (
    "Judge its own work",
    "Read keys, passwords or what customers store",
    "Write to people, publish or pay",
    "Change agents, rules or limits, its own or others’",
)


@dataclass(frozen=True)
class Rights:
    """Three short lists."""

    by_itself: tuple[str, ...]
    needs_you: tuple[str, ...]
    never: tuple[str, ...]


def rights_of(
    *,
    tools: Sequence[str],
    capabilities: Sequence[str],
    needs: Sequence[str],
    cap_per_task: str,
    escalation: str,
) -> Rights:
    """Return the rights of a definition in words; `needs` are the verbs that need the owner each time."""
    may = [TOOL_WORDS.get(name, _spelled(name)) for name in tools]
    may += [CAPABILITY_WORDS[name] for name in capabilities if name in CAPABILITY_WORDS]
    if not may:
        may = ["Think and answer; it has no tools"]
    owner = escalation.lower() == "owner"
    may.append("Ask you for help" if owner else f"Ask {escalation.capitalize()} for help")
    asks = [
        *map(_spelled, needs),
        f"More than {cap_per_task} for one task",
        "Anything on a live product",
        "Anything that cannot be undone",
    ]
    return Rights(tuple(may[:5]), tuple(asks[:5]), FENCE)  # fmt: skip


def _spelled(name: str) -> str:
    return name.replace("_", " ").replace(".", " ").capitalize()
