"""Settings: what people set by hand, what it was before, who signs in, and which devices call."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from core.errors import FactoryError
from core.models import DeviceToken, SettingValue, User
from core.registry import SETTINGS
from core.services import (
    change_setting,
    invite_person,
    issue_device_token,
    revert_setting,
    revoke_device_token,
    settings_in_force,
)
from factory.console.forms import DeviceForm, InviteForm, SettingForm, time_zones
from factory.console.views.frame import Page, go_to, person_of, require_role, show

HISTORY = 20


@never_cache
@require_safe
def settings(request: HttpRequest) -> HttpResponse:
    """Show every setting with its range, and the last changes."""
    return _show(request)


def _show(request: HttpRequest, *, refused: str = "", status: int = 200, **once: Any) -> HttpResponse:
    values, versions = (
        settings_in_force(),
        dict(SettingValue.objects.in_force().values_list("key", "version")),
    )
    changes = list(SettingValue.objects.order_by("-at", "-pk")[:HISTORY])
    person = person_of(request)
    page: Page = {
        "rows": [
            {"one": one, "value": values[key], "version": versions.get(key, 0), "is_changed": values[key] != one.default}
            for key, one in SETTINGS.items()
        ],
        "changes": [{"row": row, "one": SETTINGS[row.key]} for row in changes if row.key in SETTINGS],
        "zones": time_zones(),
        "people": User.objects.filter(is_active=True).order_by("username"),
        "roles": User.Role.choices,
        "devices": DeviceToken.objects.live(timezone.now()).filter(person=person).order_by("name"),
        "refused": refused,
        **once,
    }  # fmt: skip
    return show(request, "console/settings.html", page, place="settings", status=status)


@require_POST
def change(request: HttpRequest) -> HttpResponse:
    """Put one value in force; only the owner may."""
    person = require_role(request, User.Role.OWNER)
    form = SettingForm(request.POST)
    if not form.is_valid():
        return _show(request, refused="This change is not complete.", status=400)
    told = form.cleaned_data
    try:
        row = change_setting(
            told["key"], told["value"], by=person.as_actor, why=told["why"], version=told["version"]
        )
    except FactoryError as refusal:
        return _show(request, refused=refusal.sentence, status=refusal.http_status)
    label = SETTINGS[told["key"]].label
    return go_to(request, "settings", say=f"{label}: changed." if row else f"{label} was that already.")


@require_POST
def revert(request: HttpRequest) -> HttpResponse:
    """Put back what was in force before one change; only the owner may."""
    person = require_role(request, User.Role.OWNER)
    try:
        key, version = request.POST.get("key", ""), int(request.POST.get("version", ""))
        revert_setting(key, to_version=version, by=person.as_actor)
    except ValueError:
        return _show(request, refused="This change is not complete.", status=400)
    except FactoryError as refusal:
        return _show(request, refused=refusal.sentence, status=refusal.http_status)
    return go_to(request, "settings", say=f"{SETTINGS[key].label}: put back.")


@never_cache
@require_POST
def invite(request: HttpRequest) -> HttpResponse:
    """Make a link, shown once, by which somebody makes an account; only the owner may."""
    require_role(request, User.Role.OWNER)
    form = InviteForm(request.POST)
    if not form.is_valid():
        return _show(request, refused="Choose what they may do.", status=400)
    path = reverse("join", args=[invite_person(role=form.cleaned_data["role"])])
    return _show(request, link=request.build_absolute_uri(path))


@never_cache
@require_POST
def add_device(request: HttpRequest) -> HttpResponse:
    """Make a token, shown once, by which one device of this person calls the REST doors."""
    person, form = person_of(request), DeviceForm(request.POST)
    if not form.is_valid():
        return _show(request, refused="Name the device.", status=400)
    _, secret = issue_device_token(person, name=form.cleaned_data["name"], by=person.as_actor)
    return _show(request, secret=secret)


@require_POST
def drop_device(request: HttpRequest) -> HttpResponse:
    """Let one device of this person call no more."""
    person = person_of(request)
    token = DeviceToken.objects.filter(pk=request.POST.get("device", ""), person=person).first()
    if token is not None:
        revoke_device_token(token.pk, by=person.as_actor, of=person)
    return go_to(request, "settings", say="This device calls no more.")
