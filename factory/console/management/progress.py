"""A line a stage while work goes on: what, who, spent so far."""

import sys

from rich.console import Console
from rich.live import Live
from rich.table import Table

from core.money import to_usd
from factory.insight.services import stage_costs
from factory.work.models import Task
from portfolio.models import Product

MARKS = {"done": "●", "on": "◐", "later": "○"}


class Progress:
    """Redraws five stage lines at a terminal; elsewhere prints a line when something begins."""

    def __init__(self, venture: Product) -> None:
        self._venture = venture
        self._live = Live(console=Console(), refresh_per_second=4) if sys.stdout.isatty() else None
        self._said: set[str] = set()

    def __enter__(self) -> "Progress":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.look()
        if self._live:
            self._live.stop()

    def look(self) -> bool:
        """Show how it stands now; always says that there is more to see."""
        self._venture.refresh_from_db()
        stages = stage_costs(self._venture)
        now = self._working()
        if self._live:
            table = Table(box=None, show_header=False)
            for stage in stages:
                who = "; ".join(words for name, words in now if name.lower() == stage.name)
                table.add_row(
                    MARKS[stage.state], stage.name.upper(), who, f"${to_usd(stage.cost_microusd):.4f}"
                )
            self._live.update(table)
            return False
        spent = to_usd(sum(stage.cost_microusd for stage in stages))
        for name, words in now:
            if words not in self._said:
                self._said.add(words)
                sys.stdout.write(f"{name:9}{words:70}  ${spent:.4f} so far\n")
                sys.stdout.flush()
        return False

    def _working(self) -> list[tuple[str, str]]:
        begun = Task.objects.filter(dag__product=self._venture).exclude(
            state__in=[Task.State.CREATED, Task.State.PENDING]
        )
        rows = begun.select_related("agent").order_by("created_at", "key") if not self._live else (
            begun.filter(state__in=[Task.State.RUNNING, Task.State.WAITING, Task.State.VALIDATING]).select_related("agent")
        )  # fmt: skip
        return [
            (
                task.arguments.get("stage", ""),
                f"{task.agent.name if task.agent else 'the factory'}: {task.title}",
            )
            for task in rows
        ]
