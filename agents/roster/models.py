"""Who works here, by which definition, and what each may do in one attempt."""

from datetime import datetime

from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from agents.roster.rules import Definition, status_of
from billing.models import Scope
from core.ids import new_id


class AgentVersion(models.Model):
    """One agent file as it was; its SHA-256 is the version. Never changed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=40)
    sha256 = models.CharField(max_length=64, unique=True)
    front = models.JSONField(help_text="The front matter with every default filled in.")
    body = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.name} {self.sha256[:8]}"

    @property
    def definition(self) -> Definition:
        """The front matter as a value."""
        return Definition.model_validate(self.front)


class AgentQuerySet(models.QuerySet["Agent"]):
    """Questions about agents."""

    def enabled(self) -> "AgentQuerySet":
        """Return the agents that take work."""
        return self.filter(is_enabled=True, draining_at=None)

    def named(self, name: str) -> "AgentQuerySet":
        """Return the agent of this name, whatever the case, with its version."""
        return self.filter(name__iexact=name).select_related("version", "scope")


class Agent(models.Model):
    """One member of staff; its definition is the file in force, its switch is the owner's."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=40, unique=True)
    role = models.CharField(max_length=80)
    is_enabled = models.BooleanField(default=False)
    draining_at = models.DateTimeField(
        null=True, help_text="Since when it takes nothing new; what runs may end."
    )
    version = models.ForeignKey(AgentVersion, on_delete=models.PROTECT, related_name="+")
    scope = models.OneToOneField(Scope, on_delete=models.PROTECT, related_name="+")
    flagged_at = models.DateTimeField(
        null=True, help_text="Since when somebody should look; None: no reason."
    )
    flag_reason = models.CharField(max_length=200, blank=True)

    objects = AgentQuerySet.as_manager()

    class Meta:
        """A name is one name in any case."""

        constraints = [models.UniqueConstraint(Lower("name"), name="agent_name_in_any_case")]

    def __str__(self) -> str:
        return self.name

    @property
    def definition(self) -> Definition:
        """The front matter in force."""
        return self.version.definition

    def status(self, *, is_busy: bool, is_reachable: bool) -> str:
        """Return how it stands; whoever asks knows whether it works now and whether a worker is there for it."""
        return status_of(
            is_enabled=self.is_enabled,
            is_flagged=self.flagged_at is not None,
            is_draining=self.draining_at is not None,
            is_busy=is_busy,
            is_reachable=is_reachable,
        )


class TokenQuerySet(models.QuerySet["CapabilityToken"]):
    """Questions about tokens."""

    def live(self, now: datetime) -> "TokenQuerySet":
        """Return the tokens that still open something at machine time `now`."""
        return self.filter(revoked_at=None, expires_at__gt=now)


class CapabilityToken(models.Model):
    """What one agent may do in one attempt; the secret itself is nowhere stored."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    token_sha256 = models.CharField(max_length=64, unique=True)
    assignment_id = models.UUIDField(db_index=True)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="tokens")
    tools = models.JSONField(default=list)
    engine = models.JSONField(
        null=True, help_text="An engine's token: whom it may ask and who pays. Null: it opens tools."
    )
    expires_at = models.DateTimeField(help_text="Machine time.")
    revoked_at = models.DateTimeField(null=True, help_text="Machine time.")

    objects = TokenQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.agent} in {self.assignment_id}"

    @property
    def ends_at(self) -> datetime:
        """The moment from which it opens nothing."""
        return min(self.expires_at, self.revoked_at or self.expires_at)
