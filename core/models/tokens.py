"""What stands behind the REST doors: tokens of devices, how often each caller came, what was answered once."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils import timezone

from core.ids import new_id


class DeviceTokenQuerySet(models.QuerySet["DeviceToken"]):
    """Questions about tokens of devices."""

    def live(self, now: datetime) -> "DeviceTokenQuerySet":
        """Return the tokens that open something at machine time `now`."""
        return self.filter(revoked_at=None, expires_at__gt=now, person__is_active=True)


class DeviceToken(models.Model):
    """One device or program of one person; the secret itself is nowhere stored."""

    class Role(models.TextChoices):
        """What it may do at most; a worker carries tasks out and reads nothing else."""

        OWNER = "owner"
        OPERATOR = "operator"
        VIEWER = "viewer"
        WORKER = "worker"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=60, help_text="Which device: `phone`, `laptop`.")
    role = models.CharField(max_length=10, choices=Role, help_text="Never more than the person's own.")
    token_sha256 = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now, help_text="Machine time.")
    expires_at = models.DateTimeField(help_text="Machine time.")
    revoked_at = models.DateTimeField(null=True, help_text="Machine time.")
    last_used_at = models.DateTimeField(null=True, help_text="Machine time, to the minute.")

    objects = DeviceTokenQuerySet.as_manager()

    class Meta:
        """A role is one of the four."""

        constraints = [
            models.CheckConstraint(
                name="device_role_is_known",
                condition=models.Q(role__in=["owner", "operator", "viewer", "worker"]),
            )
        ]

    def __str__(self) -> str:
        return self.name


class CallCount(models.Model):
    """How often one caller came in the minute of its last call."""

    caller = models.CharField(primary_key=True, max_length=80)
    minute = models.DateTimeField(help_text="Machine time.")
    calls = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.caller}: {self.calls}"


class KeptReply(models.Model):
    """What was answered to one caller under one idempotency key, written in the transaction of what was done."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    caller = models.CharField(max_length=80)
    key = models.CharField(max_length=200)
    digest = models.CharField(max_length=64, help_text="Of method, address and body.")
    status = models.PositiveSmallIntegerField(default=0)
    body = models.JSONField(null=True)
    is_secret = models.BooleanField(default=False, help_text="It was told once; the body is not kept.")
    at = models.DateTimeField(default=timezone.now, db_index=True, help_text="Machine time.")

    class Meta:
        """One answer for one key of one caller."""

        constraints = [models.UniqueConstraint(name="one_reply_per_key", fields=["caller", "key"])]
        verbose_name_plural = "kept replies"

    def __str__(self) -> str:
        return f"{self.caller} {self.key}"
