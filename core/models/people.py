"""People who sign in."""

from django.contrib.auth.models import AbstractUser
from django.db import models

from core.ids import new_id


class User(AbstractUser):
    """A person who signs in; rights and devices point here from the apps above. Source: R-03.29."""

    class Role(models.TextChoices):
        """What a person may do. Source: R-03.29."""

        OWNER = "owner"
        OPERATOR = "operator"
        VIEWER = "viewer"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    role = models.CharField(max_length=10, choices=Role, default=Role.VIEWER)
    is_simulated = models.BooleanField(
        default=False, help_text="Answers gates in a rehearsal; never a person."
    )
    looked_at = models.DateTimeField(null=True, help_text="Machine time they last looked at home.")
    news_from = models.DateTimeField(
        null=True, help_text="Machine time of the last look of the sitting before this one."
    )

    @property
    def is_owner(self) -> bool:
        """Whether this person may answer gates and raise limits."""
        return self.role == self.Role.OWNER

    @property
    def may_operate(self) -> bool:
        """Whether this person may keep the factory running and look behind it. Source: R-03.29."""
        return self.role in (self.Role.OWNER, self.Role.OPERATOR)

    @property
    def as_actor(self) -> str:
        """How this person is named in the audit rows, e.g. `owner:ada`."""
        return f"{self.role}:{self.username}"


class InviteLink(models.Model):
    """A one-time address by which the first owner makes an account."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    token_sha256 = models.CharField(max_length=64, unique=True)
    role = models.CharField(max_length=10, choices=User.Role, default=User.Role.OWNER)
    expires_at = models.DateTimeField(help_text="Machine time.")
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"invitation as {self.role}"
