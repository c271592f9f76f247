"""Every page a signed-in person can open: its name, and its address in a filled factory. A new page adds a line."""

from collections.abc import Callable

from tests.factory.console.story import Story

PAGES: dict[str, Callable[[Story], str]] = {
    "home": lambda story: "/",
    "decisions": lambda story: "/decisions/",
    "decision": lambda story: f"/decisions/{story.waiting[0].pk}/",
    "ventures": lambda story: "/ventures/",
    "venture": lambda story: f"/ventures/{story.product.slug}/",
    "ideas": lambda story: "/ideas/",
    "idea": lambda story: f"/ideas/{story.idea.name}/",
    "give": lambda story: "/ideas/give/",
    "money": lambda story: "/money/",
    "health": lambda story: "/health/",
    "stop": lambda story: "/stop/",
}
