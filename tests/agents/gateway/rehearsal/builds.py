"""Plays a whole build: blueprint, plan, parts by tool calls, journeys, findings, mends."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from factory.pipeline.rules.answers import BLUEPRINT, PLAN
from tests.agents.gateway.rehearsal.driver import running
from tests.agents.gateway.rehearsal.models import Models

Json = dict[str, Any]
SKELETON = Path(__file__).parents[4] / "data" / "skeletons" / "saas-py"
PARTS = ("core", "api", "pages", "integration")


@dataclass
class Build:
    """One idea on its way to a product in `clone`."""

    models: Models
    idea: str
    clone: Path
    blueprint: Json = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def plan(self) -> None:
        """Ask for blueprint and plan."""
        self.blueprint = self.models.fill(BLUEPRINT, f"Write the blueprint.\n<idea>{self.idea}</idea>")
        shown = json.dumps(self.blueprint, ensure_ascii=False)
        plan = self.models.fill(PLAN, f"Plan the build.\n<blueprint>{shown}</blueprint>")
        assert {task["part"] for task in plan["tasks"]} >= {*PARTS, "test", "deploy"}

    def write(self) -> None:
        """Write API and pages beside each other in clones of their own, then join them."""
        lay_out(self.clone)
        self._do("core")
        beside = self.clone.with_name(f"{self.clone.name}-pages")
        shutil.copytree(self.clone, beside)
        self._do("api")
        self._do("pages", clone=beside)
        shutil.copytree(
            beside, self.clone, dirs_exist_ok=True, ignore=lambda at, names: self._not_of_pages(at, names)
        )
        self._do("integration")

    def faults(self) -> dict[str, str]:
        """Every promise that the running product breaks."""
        with running(self.clone) as product:
            return product.faults(self.blueprint["criteria"])

    def mend(self, finding: Json) -> None:
        """Give the finding to the coder."""
        self._do("mend", more=f"\n<finding>{json.dumps(finding)}</finding>")

    def _do(self, part: str, *, clone: Path | None = None, more: str = "") -> None:
        shown = {**self.blueprint, "criteria": [c for n, c in enumerate(self.blueprint["criteria"]) if n % 3]}
        globs = self.globs(part)
        brief = f"Task: {part}\nPart: {part}\nYou may write: {globs}\n<blueprint>{json.dumps(shown, ensure_ascii=False)}</blueprint>{more}"
        self.said.append(self.models.work(brief, clone or self.clone, globs=globs))

    def globs(self, part: str) -> str:
        """What that part may write."""
        app = self.blueprint["core_function"]["app"]
        return {
            "core": f"product/domain.py {app}/*",
            "api": f"{app}/api.py {app}/tests/test_api.py",
            "pages": f"{app}/pages.py templates/{app}/* {app}/tests/test_pages.py",
            "integration": f"product/copy.json product/plans.json {app}/tests/test_flow.py",
            "mend": f"{app}/* templates/{app}/*",
        }[part]

    def _not_of_pages(self, at: str, names: list[str]) -> set[str]:
        return {name for name in names if name in ("api.py", "test_api.py", "__pycache__")}


def lay_out(clone: Path) -> None:
    """The empty skeleton in `clone`."""
    shutil.copytree(
        SKELETON, clone, ignore=shutil.ignore_patterns("*.sqlite3*", "__pycache__", ".*_cache", ".venv")
    )
