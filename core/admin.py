"""People and facts in the Django admin, and what all its pages have in common."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest
from django.utils.functional import cached_property

from core.errors import FactoryError
from core.models import (
    AuditRow,
    Blob,
    CallCount,
    DeviceToken,
    DueChore,
    Event,
    Installation,
    InviteLink,
    KeptReply,
    Process,
    SettingValue,
    User,
)
from core.money import to_usd
from core.services import revoke_device_token

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
    AnyPaginator = Paginator[Any]
else:
    AnyModelAdmin, AnyPaginator = admin.ModelAdmin, Paginator

MOST = 5_000
RowAction = Callable[[AnyModelAdmin, HttpRequest, "models.QuerySet[Any]"], None]


class ShortPaginator(AnyPaginator):
    """Counts no further than anybody turns pages: a list of a million rows opens as fast as one of ten."""

    @cached_property
    def count(self) -> int:
        """How many rows there are, or `MOST`."""
        rows: models.QuerySet[Any] = self.object_list  # type: ignore[assignment]  # the admin pages rows alone
        return len(rows.order_by().values_list("pk")[:MOST])


class ReadOnlyAdmin(AnyModelAdmin):
    """Rows that people look at and never change by hand: services are the only way in."""

    paginator = ShortPaginator
    show_full_result_count = False
    list_per_page = 50

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[Any]:
        """Show every column but those that are left out."""
        columns = [*self.opts.fields, *self.opts.many_to_many]
        return list(self.fields or [one.name for one in columns if one.name not in (self.exclude or ())])

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[Any]:
        """Show them as words: no form is made."""
        return self.get_fields(request, obj)

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Owner and operators look at everything."""
        return self.admin_site.has_permission(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Owner and operators look at every app."""
        return self.admin_site.has_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds one by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody changes one by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody deletes one by hand."""
        return False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Owner and operators use the actions that keep things running."""
        return self.admin_site.has_permission(request)

    def has_own_permission(self, request: HttpRequest) -> bool:
        """Some actions are the owner's alone."""
        return self.admin_site.has_permission(request) and getattr(request.user, "is_owner", False)


def on_each(words: str, *, needs: str = "operate") -> Callable[[Callable[[Any, User], object]], RowAction]:
    """Make an admin action of a function that calls one service for one row; a refusal is told and skips none.

    Args:
        words: what the action does, as the list offers it.
        needs: `operate`, or `own` for what only the owner may do.
    """

    def make(verb: Callable[[Any, User], object]) -> RowAction:
        @admin.action(description=words, permissions=[needs])
        def act(model_admin: AnyModelAdmin, request: HttpRequest, rows: "models.QuerySet[Any]") -> None:
            for row in rows:
                try:
                    verb(row, request.user)  # type: ignore[arg-type]  # only people pass has_permission
                    model_admin.message_user(request, f"{row}: done.", messages.SUCCESS)
                except FactoryError as error:
                    model_admin.message_user(request, f"{row}: {error.sentence}", messages.ERROR)

        act.__name__ = verb.__name__
        return act

    return make


def in_usd(column: str) -> Callable[[Any], str]:
    """Return a list column that shows micro-dollars as dollars with six places."""

    @admin.display(description=column.removesuffix("_microusd").replace("_", " "), ordering=column)
    def shown(row: Any) -> str:
        amount = getattr(row, column)
        return "" if amount is None else f"${to_usd(amount):,.6f}"

    return shown


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    """Who signs in."""

    list_display = ("username", "role", "is_active", "is_simulated", "last_login", "date_joined")
    list_filter = ("role", "is_active", "is_simulated")
    search_fields = ("username", "email")
    fields = ("username", "role", "is_active", "is_simulated", "last_login", "date_joined")


@admin.register(InviteLink)
class InviteLinkAdmin(ReadOnlyAdmin):
    """Who was invited; the secret itself is nowhere."""

    list_display = ("role", "expires_at", "used_at")
    list_filter = ("role",)
    exclude = ("token_sha256",)


@admin.register(Installation)
class InstallationAdmin(ReadOnlyAdmin):
    """What this database is for, and whether it is stopped."""

    list_display = ("mode", "time_zone", "stopped_at", "stopped_by", "created_at")


@admin.register(Blob)
class BlobAdmin(ReadOnlyAdmin):
    """Stored files."""

    list_display = ("sha256", "size_bytes", "media_type", "created_at")
    list_filter = ("media_type",)
    search_fields = ("sha256",)


@admin.register(DueChore)
class DueChoreAdmin(ReadOnlyAdmin):
    """When the platform does what it does again and again."""

    list_display = ("name", "due_at")
    search_fields = ("name",)


@admin.register(AuditRow)
class AuditRowAdmin(ReadOnlyAdmin):
    """What was done, by whom."""

    list_display = ("at", "actor", "verb", "subject", "outcome")
    list_filter = ("outcome", "at", "verb")
    search_fields = ("actor", "verb", "subject", "correlation_id")


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """Facts and whether they were delivered."""

    list_display = ("sequence", "kind", "created_at", "delivered_at", "tries", "parked_at")
    list_filter = (
        ("parked_at", admin.EmptyFieldListFilter),
        ("delivered_at", admin.EmptyFieldListFilter),
        "kind",
    )
    search_fields = ("kind", "correlation_id", "error")


@on_each("End these tokens")
def end_token(token: DeviceToken, person: User) -> object:
    """End a token; others' only as the owner."""
    return revoke_device_token(
        token.pk, by=f"{person.role}:{person.username}", of=None if person.is_owner else person
    )


@on_each("Revoke these tokens")
def revoke(token: DeviceToken, by: User) -> None:
    """Let a device in no more."""
    revoke_device_token(token.pk, by=by.as_actor, of=None if by.is_owner else by)


@admin.register(DeviceToken)
class DeviceTokenAdmin(ReadOnlyAdmin):
    """Devices of people; the secret itself is nowhere."""

    list_display = ("name", "person", "role", "created_at", "expires_at", "revoked_at", "last_used_at")
    list_filter = ("role", ("revoked_at", admin.EmptyFieldListFilter), "created_at")
    list_select_related = ("person",)
    search_fields = ("name", "person__username")
    exclude = ("token_sha256",)
    actions = (revoke,)


@admin.register(CallCount)
class CallCountAdmin(ReadOnlyAdmin):
    """Who called how often in the last minute they called."""

    list_display = ("caller", "minute", "calls")
    list_filter = ("minute",)
    search_fields = ("caller",)


@admin.register(KeptReply)
class KeptReplyAdmin(ReadOnlyAdmin):
    """What was answered once under a key."""

    list_display = ("caller", "key", "status", "is_secret", "at")
    list_filter = ("status", "at")
    search_fields = ("caller", "key")
    exclude = ("body",)


@admin.register(SettingValue)
class SettingValueAdmin(ReadOnlyAdmin):
    """What was set by hand, by whom and why."""

    list_display = ("key", "version", "old", "value", "is_in_force", "by", "why", "at")
    list_filter = ("key", "is_in_force")
    search_fields = ("key", "by", "why")
    date_hierarchy = "at"


@admin.register(Process)
class ProcessAdmin(ReadOnlyAdmin):
    """Which parts of the factory run."""

    list_display = ("name", "kind", "queues", "started_at", "seen_at")
    list_filter = ("kind",)
    search_fields = ("name",)
