"""The table of limits is the only source of limits: no module names an amount of money of its own."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
APPS = ("core", "approvals", "billing", "agents", "portfolio", "factory")
MONEY = re.compile(r"(^|_)(MICROUSD|USD|CENTS)$")
NO_LIMITS = {
    "core/money.py": {"MICROUSD_PER_USD"},
    "billing/rules.py": {"CEILING_MICROUSD"},  # in code on purpose: no setting and no file changes it
    "portfolio/rules/signals.py": {"MICRO_USD"},
    "agents/gateway/services/makers.py": {"DEAREST_USD"},  # a price above it is a slip of the pen
    "agents/gateway/door/plan.py": {"FREE_MICROUSD"},
    "agents/gateway/adapters/rehearsal/knowledge.py": {"_INFRASTRUCTURE_USD"},
    "approvals/rules/words.py": {"_PER_USD"},
    "approvals/rules/binding.py": {"UNKNOWN_WORST_MICROUSD"},  # how urgent a question of unknown cost looks
    "factory/console/management/verbs/keys.py": {"MOST_USD"},  # a slip of the pen too
    "factory/pipeline/rules/blueprint.py": {"PRICE_RANGE_USD"},
    "factory/pipeline/rules/quote.py": {"_CENT_MICROUSD"},
    "factory/work/rules/queue.py": {"LEAST_MICROUSD"},  # with less left nothing begins
}
"""What looks like one and limits no spending."""


def amounts_in(file: Path) -> Iterator[str]:
    """Yield the names at the top of `file` that say an amount of money in numbers."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            yield from (name for name in names if MONEY.search(name) and says_amount(node))


def says_amount(node: ast.AST) -> bool:
    """Say whether a number, or a `Decimal` of a text, stands in this assignment."""
    return any(
        (isinstance(part, ast.Constant) and isinstance(part.value, int | float))
        or (isinstance(part, ast.Call) and getattr(part.func, "id", "") == "Decimal")
        for part in ast.walk(node)
    )


def test_no_module_names_an_amount_that_may_be_spent() -> None:
    found = {
        f"{file.relative_to(ROOT)}: {name}"
        for app in APPS
        for file in (ROOT / app).rglob("*.py")
        if "migrations" not in file.parts
        for name in amounts_in(file)
    }

    assert found == {f"{file}: {name}" for file, names in NO_LIMITS.items() for name in names}
