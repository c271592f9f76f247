"""Doors for people: sign up, log in, plans, notices."""

from django.conf import settings
from django.contrib.auth import get_user_model, login, logout
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from house import events
from house import plans as prices
from house.forms import LogIn, SignUp, WebhookForm
from house.limits import account, address, limited, person
from house.models import Notice, Webhook


@require_http_methods(["GET", "HEAD", "POST"])
@limited("sign-up", times=settings.SIGNUPS_PER_HOUR, seconds=3600, by=address)
def sign_up(request: HttpRequest) -> HttpResponse:
    """Make an account, welcome its owner, and open it."""
    form = SignUp(_sent(request))
    with transaction.atomic():
        if form.is_valid():
            email = form.cleaned_data["email"]
            made = get_user_model().objects.create_user(email, email, form.cleaned_data["password"])
            login(request, made)
            events.record("sign_up", made)
            text = f"Your account is open. Questions? Write to {settings.SUPPORT_MAIL}."
            Notice.send(made, subject=f"Welcome to {settings.NAME}", text=text)
            return redirect(settings.LOGIN_REDIRECT_URL)
    return _form(request, form, title="Sign up")


@require_http_methods(["GET", "HEAD", "POST"])
@limited("log-in", times=10, seconds=300, by=account)
@limited("log-in-anywhere", times=100, seconds=300, by=address)
def log_in(request: HttpRequest) -> HttpResponse:
    """Open the account, and go on to where the person wanted to be."""
    form = LogIn(_sent(request))
    if form.is_valid():
        login(request, form.person)
        wanted = request.GET.get("next", "")
        is_ours = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
        return redirect(wanted if is_ours else settings.LOGIN_REDIRECT_URL)
    return _form(request, form, title="Log in")


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    """Close the account on this device."""
    logout(request)
    return redirect("/")


@require_safe
def plans(request: HttpRequest) -> HttpResponse:
    """What it costs, and what the owner has."""
    return _plans(request)


@require_POST
@login_required
@limited("pay", times=20, seconds=3600, by=person)
def pay(request: HttpRequest) -> HttpResponse:
    """Pay for a plan with a test card."""
    name = request.POST.get("plan", "")
    plan = next((plan for plan in prices.all_plans() if plan.plan == name), None)
    if plan is None:
        return _plans(request, problem="There is no such plan.", status=400)
    try:
        prices.pay(request.user, plan, card=request.POST.get("card", ""))
    except prices.CardRefused:
        return _plans(request, problem="The card was refused. Nothing was paid.", status=402)
    return redirect("/plans/")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def notices(request: HttpRequest) -> HttpResponse:
    """What we told this owner, newest first, and where else to send it."""
    hook = Webhook.objects.filter(owner=request.user).first() or Webhook(owner=request.user)
    form = WebhookForm(_sent(request), instance=hook)
    if form.is_valid():
        _keep_webhook(request, form.cleaned_data["address"])
        return redirect("/notices/")
    told = Notice.objects.filter(owner=request.user).order_by("-id")[:200]
    status = 400 if form.errors else 200
    return render(request, "house/notices.html", {"notices": told, "form": form}, status=status)


def _sent(request: HttpRequest) -> QueryDict | None:
    """The form as sent; None when the page is only looked at."""
    return request.POST if request.method == "POST" else None


def _keep_webhook(request: HttpRequest, where: str) -> None:
    if where:
        Webhook.objects.update_or_create(owner=request.user, defaults={"address": where})
    else:
        Webhook.objects.filter(owner=request.user).delete()


def _plans(request: HttpRequest, *, problem: str = "", status: int = 200) -> HttpResponse:
    mine = prices.plan_of(request.user) if request.user.is_authenticated else None
    facts = {"plans": prices.all_plans(), "mine": mine, "problem": problem}
    return render(request, "house/plans.html", facts, status=status)


def _form(request: HttpRequest, form: SignUp | LogIn, *, title: str) -> HttpResponse:
    status = 400 if form.errors else 200
    return render(request, "house/form.html", {"form": form, "title": title}, status=status)
