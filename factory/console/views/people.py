"""Coming in and going out."""

from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from core.errors import NotFound
from core.models import User
from core.services import accept_invitation, is_invitation_open
from factory.console.forms import JoinForm
from factory.console.services import is_set_up
from factory.console.views.frame import SEE_OTHER


@login_not_required
@never_cache
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Let a person in by name and password."""
    form = AuthenticationForm(request, data=request.POST or None)
    if request.method == "POST" and form.is_valid():
        login(request, form.get_user())
        answer = redirect(_wanted_page(request))
        answer.status_code = SEE_OTHER
        return answer
    page = {"form": form, "next": request.GET.get("next", "")}
    return render(request, "console/login.html", page, status=400 if form.is_bound else 200)


def _wanted_page(request: HttpRequest) -> str:
    """Return the page they came for, when it is one of ours."""
    wanted = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else resolve_url("home")


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Let them go."""
    logout(request)
    answer = redirect("login")
    answer.status_code = SEE_OTHER
    return answer


@login_not_required
@never_cache
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest, token: str) -> HttpResponse:
    """Make the account a one-time invitation is for, and let its owner in."""
    if not is_invitation_open(token):
        raise Http404
    form = JoinForm(request.POST or None)
    if request.method == "GET" or not form.is_valid():
        return render(request, "console/join.html", {"form": form}, status=400 if form.is_bound else 200)
    told = form.cleaned_data
    try:
        accept_invitation(
            token, name=told["username"], password=told["password1"], time_zone=told["time_zone"]
        )
    except NotFound as error:
        raise Http404 from error
    user = authenticate(request, username=told["username"], password=told["password1"])
    if user is not None:
        login(request, user)
    answer = redirect("first_day" if user is not None and is_first_owner(user) else "home")
    answer.status_code = SEE_OTHER
    return answer


def is_first_owner(user: AbstractBaseUser) -> bool:
    """Say whether this person has the questions of the first day before them."""
    return isinstance(user, User) and user.is_owner and not is_set_up()
