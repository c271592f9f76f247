"""Graphs of work: one drawn and listed, with its ways out; all of them with how far they are."""

from dataclasses import dataclass
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from billing.models import Limit, Period
from core.errors import FactoryError
from core.models import User
from factory.console.rules import look_of, node_class
from factory.console.rules.layout import NODE_HEIGHT, NODE_WIDTH, Layout, Spot, draw_graph, lines_of
from factory.console.views.frame import Page, go_to, later, require_role, show
from factory.insight.services import (
    Graph,
    Step,
    causes_of,
    closed_graphs,
    graph_lines,
    graphs_of,
    open_graphs,
)
from factory.work.models import Dag
from factory.work.services import cancel_graph, pause_graph, unpause_graph

KEEPERS = (User.Role.OWNER, User.Role.OPERATOR)


@dataclass(frozen=True)
class Node:
    """One step in a drawing."""

    step: Step
    spot: Spot[UUID]
    tone: str
    icon: str
    lines: tuple[tuple[int, str], ...]

    @property
    def foot(self) -> int:
        """The height of its last line."""
        return self.spot.y + NODE_HEIGHT - 13

    @property
    def right(self) -> int:
        """Where its cost ends."""
        return self.spot.x + NODE_WIDTH - 10


@dataclass(frozen=True)
class Drawing:
    """A graph as a picture: nodes, and edges with how they look."""

    height: int
    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]


def drawing_of(graph: Graph) -> Drawing | None:
    """Return the graph as a picture; None: it is too large to be read as one."""
    if graph.hidden:
        return None
    layout: Layout[UUID] | None = draw_graph({step.task.pk: step.needs for step in graph.steps})
    if layout is None:
        return None
    by_id = {step.task.pk: step for step in graph.steps}
    nodes = tuple(_node(by_id[spot.key], spot) for spot in layout.spots)
    edges = tuple((_edge(by_id[before], by_id[after]), path) for before, after, path in layout.edges)
    return Drawing(layout.height, nodes, edges)


def _node(step: Step, spot: Spot[UUID]) -> Node:
    look = look_of("task", step.task.state)
    lines = tuple((spot.y + 22 + 16 * index, words) for index, words in enumerate(lines_of(step.task.title)))
    return Node(step, spot, node_class(step.task.state), look.icon, lines)


def _edge(before: Step, after: Step) -> str:
    if after.is_cut and node_class(before.task.state) in ("fail", "later"):
        return "e cut"
    return "e" if node_class(before.task.state) == "done" else "e later"


@never_cache
@require_safe
def graphs(request: HttpRequest) -> HttpResponse:
    """Show the graphs that are at work, and the last that are over."""
    page: Page = {
        "open": later(lambda: graph_lines(open_graphs())),
        "over": later(lambda: graph_lines(closed_graphs())),
        "parts": ("open", "over"),
    }
    return show(request, "console/graphs.html", page, place="work")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def graph(request: HttpRequest, dag_id: UUID) -> HttpResponse:
    """Show one graph, or pause it, let it go on, or end what is left of it. Source: R-01.21, R-04.23."""
    dag = Dag.objects.select_related("product", "scope").filter(pk=dag_id).first()
    if dag is None:
        raise Http404
    if request.method == "POST":
        return _change(request, dag)
    return _show_graph(request, dag)


def _change(request: HttpRequest, dag: Dag) -> HttpResponse:
    what = request.POST.get("what", "")
    try:
        if what == "resume":
            person = require_role(request, User.Role.OWNER)
            unpause_graph(dag.pk, by=person.as_actor)
            return go_to(request, "graph", dag.pk, say="It goes on.")
        person = require_role(request, *KEEPERS)
        if what == "pause":
            pause_graph(dag.pk, by=person.as_actor)
            return go_to(request, "graph", dag.pk, say="It is paused: what runs may end, nothing new begins.")
        if what == "cancel":
            cancel_graph(dag.pk, by=person.as_actor, reason="ended by hand")
            return go_to(request, "graph", dag.pk, say="What was left of it is ended.")
    except FactoryError as refusal:
        return _show_graph(request, dag, refused=refusal.sentence, status=refusal.http_status)
    return _show_graph(request, dag, refused="Nothing was chosen.", status=400)


def _show_graph(request: HttpRequest, dag: Dag, *, refused: str = "", status: int = 200) -> HttpResponse:
    found = graphs_of([dag])[0]
    page: Page = {
        "dag": dag,
        "graph": found,
        "drawing": later(lambda: drawing_of(found)),
        "causes": causes_of(found),
        "cap": _cap(dag),
        "refused": refused,
        "parts": ("head", "dag", "list", "stall", "sum"),
    }
    return show(request, "console/graph.html", page, place="work", status=status)


def _cap(dag: Dag) -> int | None:
    """What the graph may cost in all, or else whoever pays for it; None: no such limit."""
    limits = Limit.objects.filter(scope__in=(dag.scope_id, dag.payer_id), period=Period.LIFE)
    return min(limits.values_list("cap_microusd", flat=True), default=None)
