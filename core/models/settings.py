"""What people set by hand, and every value it ever had."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from core.ids import new_id


class SettingValueQuerySet(models.QuerySet["SettingValue"]):
    """Questions about settings."""

    def in_force(self) -> "SettingValueQuerySet":
        """Return the value in force of each setting that was ever changed."""
        return self.filter(is_in_force=True)

    def of(self, key: str) -> "SettingValueQuerySet":
        """Return every value of one setting, the newest first."""
        return self.filter(key=key).order_by("-version")


class SettingValue(models.Model):
    """One value of one setting, with who gave it and why; a change back is one more."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    key = models.CharField(max_length=60)
    version = models.PositiveIntegerField(help_text="From 1; the default before the first change is 0.")
    old = models.JSONField(help_text="The value before.")
    value = models.JSONField()
    is_in_force = models.BooleanField(default=True)
    by = models.CharField(max_length=80, help_text="`owner:ada`")
    why = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(default=timezone.now, help_text="Machine time.")

    objects = SettingValueQuerySet.as_manager()

    class Meta:
        """A version is given once, and one value is in force."""

        constraints = [
            models.UniqueConstraint(name="one_value_per_version", fields=["key", "version"]),
            models.UniqueConstraint(name="one_value_in_force", fields=["key"], condition=Q(is_in_force=True)),
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.version}"
