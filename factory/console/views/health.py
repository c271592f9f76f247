"""Health: what every app says about itself."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from core.registry import run_checks
from factory.console.views.frame import show

ORDER = ("fail", "warn", "fine")


@never_cache
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Ask every check once and show what is wrong first."""
    checks = [
        (name.replace("_", " ").replace(".", ": ").capitalize(), found)
        for name, found in run_checks().items()
    ]
    groups = [(state, [one for one in checks if one[1].state == state]) for state in ORDER]
    return show(request, "console/health.html", {"groups": groups, "total": len(checks)}, place="health")
