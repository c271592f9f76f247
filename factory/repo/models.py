"""What reached a product's main line."""

from django.db import models
from django.utils import timezone

from core.ids import new_id
from factory.work.models import Attempt


class Merge(models.Model):
    """One accepted change: the attempt that offered it, the commit main stood at after it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    attempt = models.OneToOneField(Attempt, on_delete=models.PROTECT, related_name="merge")
    commit = models.CharField(max_length=64)
    files = models.JSONField(default=list)
    at = models.DateTimeField(default=timezone.now, help_text="Machine time.")

    def __str__(self) -> str:
        return self.commit[:10]
