"""Stop everything: the first tap opens this page, the second one stops."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from core.models import User
from core.services import start_again, stop_everything
from factory.console.views.frame import actor_of, go_to, require_role, show
from factory.insight.services import who_works


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def stop(request: HttpRequest) -> HttpResponse:
    """Show what a stop ends and what goes on; a POST stops."""
    if request.method == "POST":
        person = require_role(request, User.Role.OWNER, User.Role.OPERATOR)
        stop_everything(by=actor_of(person), reason="by hand, on the stop page")
        return go_to(request, "stop")
    return show(request, "console/stop.html", {"workers": who_works()}, place="stop")


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Let work go on; only the owner may."""
    start_again(by=actor_of(require_role(request, User.Role.OWNER)))
    return go_to(request, "home", say="Work goes on.")
