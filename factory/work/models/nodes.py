"""Hosts of the `gpu` queue: they hold a key and no database."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone

from core.ids import new_id
from factory.work import rules


class NodeQuerySet(models.QuerySet["Node"]):
    """Questions about nodes."""

    def admitted(self, now: datetime) -> "NodeQuerySet":
        """Return the nodes whose key opens the door at machine time `now`."""
        return self.filter(revoked_at=None, expires_at__gt=now)

    def there(self, now: datetime) -> "NodeQuerySet":
        """Return the nodes that may work and were heard of lately."""
        return self.admitted(now).filter(seen_at__gt=now - timedelta(seconds=rules.NODE_SILENT_S))


class Node(models.Model):
    """One host that carries out `gpu` tasks; the key itself is nowhere stored. Source: R-13.1, R-13.32."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=40, unique=True)
    key_sha256 = models.CharField(max_length=64, unique=True)
    admitted_by = models.CharField(max_length=80)
    admitted_at = models.DateTimeField(default=timezone.now, help_text="Machine time.")
    expires_at = models.DateTimeField(help_text="Machine time; a key is changed before.")
    revoked_at = models.DateTimeField(null=True, help_text="Machine time.")
    seen_at = models.DateTimeField(null=True, help_text="Machine time of its last call.")
    facts = models.JSONField(default=dict, help_text="What it says of itself: devices, memory, free disk.")

    objects = NodeQuerySet.as_manager()

    class Meta:
        """A name is not empty: it stands in every attempt's worker."""

        constraints = [models.CheckConstraint(name="node_has_a_name", condition=~Q(name=""))]

    def __str__(self) -> str:
        return self.name

    @property
    def worker(self) -> str:
        """The name under which it holds tasks."""
        return f"node:{self.pk}"

    def state_at(self, now: datetime) -> str:
        """Return `revoked`, `expired`, `never seen`, `online` or `offline`."""
        if self.revoked_at:
            return "revoked"
        if self.expires_at <= now:
            return "expired"
        if self.seen_at is None:
            return "never seen"
        return "online" if self.seen_at > now - timedelta(seconds=rules.NODE_SILENT_S) else "offline"
