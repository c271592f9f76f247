"""A factory with a workshop: graphs of small jobs, and what they left."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.flows.stack import Stack, a_stack

GIVE = """
from core.ids import new_id
from core.registry import TaskSpec
from billing.services import factory_scope
from factory.work.services import create_graph
joined = [TaskSpec(key=f"{{n}}", title=f"{{n}}", kind="{kind}") for n in range({count})]
joined.append(TaskSpec(key="end", title="end", kind="shop.quick", after=tuple(f"{{n}}" for n in range({count}))))
dag = create_graph(product=None, title="shop", tasks=joined, scope=factory_scope(), correlation_id=new_id(), key=str(new_id()))
print('"' + dag.pk.hex + '"')
"""
OPEN = "SELECT count(*) FROM work_task WHERE state NOT IN ('completed', 'cancelled', 'dead_letter')"
HELD = (
    "SELECT count(*) FROM work_task WHERE lease IS NOT NULL",
    "SELECT count(*) FROM work_permit WHERE holder IS NOT NULL",
    "SELECT count(*) FROM work_attempt WHERE state = 'open'",
)


@dataclass(frozen=True)
class Shop:
    """One factory that runs the workshop's jobs."""

    stack: Stack

    def give(self, count: int, *, kind: str = "shop.short") -> str:
        """Give a graph of `count` jobs side by side and one that waits for them all; return its id."""
        return str(self.stack.python(GIVE.format(kind=kind, count=count)))

    def until_done(self, what: str = "the work") -> None:
        """Wait until nothing is open."""
        self.stack.until(lambda: self.stack.value(OPEN) == 0, what=what)

    @property
    def effects(self) -> Counter[str]:
        """How often each task left its line."""
        return Counter(line.split()[0].replace("-", "") for line in self._lines())

    @property
    def hands(self) -> set[str]:
        """Which processes left lines."""
        return {line.split()[1] for line in self._lines()}

    def _lines(self) -> list[str]:
        file = self.stack.home / "effects"
        return file.read_text().splitlines() if file.exists() else []

    def is_whole(self, *, once: bool) -> bool:
        """Say whether every task is done, by one attempt that counts, and nothing is still held.

        Args:
            once: no task left more than one line. Work that dies, or whose end cannot be written, is done again.
        """
        tasks = self.stack.rows("SELECT id, state FROM work_task")
        done = self.stack.rows(
            "SELECT task_id, count(*) AS times FROM work_attempt WHERE state = 'done' GROUP BY task_id"
        )
        held = [self.stack.value(question) for question in HELD]
        lines = Counter(self.effects[task["id"]] for task in tasks if task["id"] in self.effects)
        return (
            {task["state"] for task in tasks} == {"completed"}
            and {row["times"] for row in done} == {1}
            and len(done) == len(tasks)
            and held == [0, 0, 0]
            and (not once or set(lines) == {1})
        )


@contextmanager
def a_shop(home: Path, **said: Any) -> Iterator[Shop]:
    """Give a factory with a workshop that runs; end all of it whatever happens."""
    more = {"DJANGO_SETTINGS_MODULE": "tests.flows.workshop.settings", **said.pop("more", {})}
    with a_stack(home, more=more, **said) as stack:
        yield Shop(stack)
