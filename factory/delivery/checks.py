"""What health and doctor ask delivery."""

from core.registry import Finding, register_check
from factory.delivery.errors import EdgeUnavailable
from factory.delivery.models import Release
from factory.delivery.services import the_edge


@register_check("products")
def products() -> Finding:
    """Whether what users meet is served."""
    live = Release.objects.live().count()
    try:
        troubles = the_edge().state().troubles
    except EdgeUnavailable:
        if not live:
            return Finding("fine", "No product is live.")
        return Finding(
            "fail", "What serves the products does not answer.", "Start the factory: it starts it."
        )
    if troubles:
        return Finding("fail", " ".join(troubles.values()), "End the other program, or free what is full.")
    red = Release.objects.live().filter(red_probes__gt=0).select_related("product")
    if red:
        return Finding(
            "warn", f"Not well: {', '.join(map(str, red))}.", "Read its log, release a better one."
        )
    return Finding("fine", f"{live} live, all served.")
