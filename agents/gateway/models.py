"""Who can be asked, at what price, and every attempt that was made."""

from datetime import date, datetime
from uuid import UUID

from django.db import models
from django.db.models import Case, Q, Sum, When
from django.utils import timezone

from agents.gateway.rules.money import Rates, Step, Tariff, Usage
from agents.gateway.rules.offers import names_offered
from agents.gateway.rules.route import TIERS
from core.ids import new_id
from core.models import Mode


class Provider(models.Model):
    """One address that serves models."""

    class Protocol(models.TextChoices):
        """How it is spoken to."""

        OPENAI = "openai"
        COMPATIBLE = "compatible", "OpenAI-compatible"
        ANTHROPIC = "anthropic"
        LITELLM = "litellm", "anything LiteLLM speaks"

    name = models.CharField(max_length=40, primary_key=True)
    protocol = models.CharField(max_length=10, choices=Protocol)
    base_url = models.URLField(blank=True, help_text="Empty: the one LiteLLM knows.")
    is_enabled = models.BooleanField(default=True)
    stopped_because = models.CharField(max_length=300, blank=True)
    needs_key = models.BooleanField(default=True, help_text="False: an own machine that asks for none.")
    added_by = models.CharField(max_length=80, blank=True, help_text="Who added it; empty: the price table.")
    offered = models.JSONField(
        null=True, help_text="Its own list: [{name, window_tokens}]; None: never read."
    )
    listed_at = models.DateTimeField(null=True, help_text="Machine time the list was read.")
    proved_at = models.DateTimeField(
        null=True, help_text="Machine time of the last call that proved its key."
    )

    own_cap_microusd = models.BigIntegerField(
        null=True,
        help_text="What it lets this key spend in a month by itself, as a person said; None: nobody said.",
    )

    def __str__(self) -> str:
        return self.name

    @property
    def names_offered(self) -> frozenset[str] | None:
        """The names of the models this key really has; None: its list was never read."""
        return None if self.offered is None else names_offered(row["name"] for row in self.offered)

    def has(self, model: str) -> bool:
        """Say whether nothing is known against calling `model` here."""
        names = self.names_offered
        return names is None or model in names


class ModelEntry(models.Model):
    """One model, as its provider calls it. Source: R-02.6."""

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="entries")
    name = models.CharField(max_length=80)
    tier = models.CharField(max_length=10, choices=[(tier, tier) for tier in TIERS])
    window_tokens = models.PositiveIntegerField()
    max_output_tokens = models.PositiveIntegerField()
    capabilities = models.JSONField(default=list, help_text="tools, json, vision, embed")
    is_rehearsed = models.BooleanField(default=False, help_text="It also answers in a rehearsal.")
    is_enabled = models.BooleanField(default=True, help_text="The router may choose it.")
    tokens_per_s = models.PositiveIntegerField(null=True, help_text="None: nobody measured it.")
    parallel = models.PositiveSmallIntegerField(null=True, help_text="Calls at once; None: any number.")
    daily_requests = models.PositiveIntegerField(null=True, help_text="Requests a day; None: any number.")
    changed_at = models.DateTimeField(default=timezone.now, help_text="Machine time.")

    class Meta:
        """A name means one model at its provider."""

        constraints = [models.UniqueConstraint(name="one_row_per_model", fields=["provider", "name"])]
        indexes = [
            models.Index(name="model_changed", fields=["changed_at"]),
            models.Index(name="model_enabled", fields=["is_enabled"]),
        ]

    def __str__(self) -> str:
        return f"{self.provider_id}/{self.name}"

    @property
    def is_own(self) -> bool:
        """Whether it runs on a machine of the owner's."""
        return self.tier == "local"


OWN_MACHINE = "own machine"
"""Who says that a model costs nothing: nobody but that its machine asks for no key."""


class PriceQuerySet(models.QuerySet["Price"]):
    """Questions about prices."""

    def in_force(self) -> "PriceQuerySet":
        """Return the prices that hold, of each model first the one that counts: the table's before a person's, then the newest.

        What was assumed of an own machine holds as long as it asks for no key.
        """
        holding = self.exclude(entered_by=OWN_MACHINE, model__provider__needs_key=True)
        return holding.order_by(Case(When(entered_by="", then=0), default=1), "-valid_from", "-id")

    def on(self, day: date) -> "PriceQuerySet":
        """Return the prices that had begun on `day`, first the one that counts."""
        return self.filter(valid_from__lte=day).in_force()

    def known_at(self, moment: datetime) -> "PriceQuerySet":
        """Return the prices without those a person entered after this machine time."""
        return self.filter(Q(entered_at=None) | Q(entered_at__lte=moment))


class Price(models.Model):
    """What a model costs from one day on, in micro-dollars per million tokens; a landed row never changes. Source: R-02.6.

    A person who mistyped enters another one; the price table wins over whatever a person entered.
    """

    model = models.ForeignKey(ModelEntry, on_delete=models.PROTECT, related_name="prices")
    valid_from = models.DateField()
    input_microusd = models.BigIntegerField()
    output_microusd = models.BigIntegerField()
    cached_microusd = models.BigIntegerField()
    cache_write_microusd = models.BigIntegerField()
    cache_write_1h_microusd = models.BigIntegerField(null=True, help_text="None: twice the input.")
    reasoning_microusd = models.BigIntegerField(null=True, help_text="None: as other output.")
    search_microusd = models.BigIntegerField(
        null=True, help_text="One search of the provider's; None: unknown."
    )
    batch_percent = models.PositiveSmallIntegerField(default=100, help_text="The batch lane's price.")
    caches_by_itself = models.BooleanField(
        default=False, help_text="Any prompt may be billed as written to the cache."
    )
    entered_by = models.CharField(
        max_length=80, blank=True, default="", db_default="", help_text="Who says so; empty: the price table."
    )
    entered_at = models.DateTimeField(null=True, help_text="Machine time; None: the price table says so.")
    steps = models.JSONField(
        default=list, help_text="Dearer prices of long prompts: above, and the rates from there on."
    )

    objects = PriceQuerySet.as_manager()

    class Meta:
        """The table names one price a day, and none is below zero."""

        constraints = [
            models.UniqueConstraint(
                name="one_price_per_day", fields=["model", "valid_from"], condition=Q(entered_by="")
            ),
            models.CheckConstraint(
                name="price_not_negative",
                condition=Q(
                    input_microusd__gte=0,
                    output_microusd__gte=0,
                    cached_microusd__gte=0,
                    cache_write_microusd__gte=0,
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} from {self.valid_from}"

    @property
    def tariff(self) -> Tariff:
        """This price as rules see it."""
        return Tariff(
            input=self.input_microusd,
            output=self.output_microusd,
            cached=self.cached_microusd,
            cache_write=self.cache_write_microusd,
            cache_write_1h=self.cache_write_1h_microusd,
            reasoning=self.reasoning_microusd,
            steps=tuple(Step(step["above"], Rates(**step["rates"])) for step in self.steps),
            batch_percent=self.batch_percent,
            search_microusd=self.search_microusd,
            caches_by_itself=self.caches_by_itself,
        )


class CallQuerySet(models.QuerySet["Call"]):
    """Questions about calls."""

    def of_story(self, correlation_id: UUID) -> "CallQuerySet":
        """Return the calls of one story."""
        return self.filter(correlation_id=correlation_id)

    def of_assignment(self, assignment_id: UUID) -> "CallQuerySet":
        """Return the calls of one attempt, in order."""
        return self.filter(assignment_id=assignment_id).order_by("started_at", "id")

    def since(self, moment: datetime) -> "CallQuerySet":
        """Return the calls begun at machine time `moment` or later."""
        return self.filter(started_at__gte=moment)

    def total_microusd(self) -> int:
        """Return what these calls cost, lost ones at their bound; open ones are not known yet."""
        return self.aggregate(total=Sum("cost_microusd"))["total"] or 0


class Call(models.Model):
    """One attempt of one model call; failures too. Its id is the id of its hold. Source: R-02.23."""

    class Status(models.TextChoices):
        """How it ended."""

        OPEN = "open"
        ANSWERED = "answered"
        FAILED = "failed"
        LOST = "lost", "lost: cost unknown, booked at its bound"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.CharField(max_length=40)
    assignment_id = models.UUIDField(db_index=True)
    step_key = models.CharField(max_length=80, blank=True)
    correlation_id = models.UUIDField(null=True)
    model = models.ForeignKey(ModelEntry, on_delete=models.PROTECT, related_name="calls", db_index=False)
    served_model = models.CharField(max_length=80, blank=True, help_text="Who answered, in its own words.")
    tier = models.CharField(max_length=10)
    task_type = models.CharField(max_length=20)
    reason = models.CharField(max_length=200, help_text="Why this model.")
    fallback_from = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="fallbacks", db_index=False
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN)
    fault = models.CharField(max_length=20, blank=True)
    words = models.CharField(max_length=300, blank=True, help_text="What the provider said when it failed.")
    stop = models.CharField(max_length=10, blank=True)
    bound_microusd = models.BigIntegerField()
    cost_microusd = models.BigIntegerField(null=True, help_text="None: not known yet.")
    prompt_tokens = models.PositiveIntegerField(null=True)
    completion_tokens = models.PositiveIntegerField(null=True)
    cached_tokens = models.PositiveIntegerField(null=True)
    cache_write_tokens = models.PositiveIntegerField(null=True)
    cache_write_1h_tokens = models.PositiveIntegerField(
        null=True, help_text="Part of those written to the cache."
    )
    reasoning_tokens = models.PositiveIntegerField(null=True)
    first_token_ms = models.PositiveIntegerField(null=True, help_text="Until the answer began.")
    retry_after_s = models.FloatField(null=True, help_text="How long the provider asked to wait.")
    prompt_sha256 = models.CharField(max_length=64)
    is_batch = models.BooleanField(
        default=False, db_default=False, help_text="In the batch lane, at its price."
    )
    repeats_id = models.UUIDField(
        null=True,
        help_text="The call whose answer was given again, free of charge; None: this one was asked.",
    )
    mode = models.CharField(max_length=10, choices=Mode)
    started_at = models.DateTimeField(default=timezone.now, help_text="Machine time.")
    ended_at = models.DateTimeField(null=True, help_text="Machine time.")

    tariff: Tariff | None = None
    """The prices it was held at, for as long as it is under way; None: they are looked up."""
    objects = CallQuerySet.as_manager()

    class Meta:
        """A settled call has a cost and an end; every filter has an index of its own, and there is no other: each costs every call."""

        indexes = [
            models.Index(name="call_at", fields=["started_at", "id"]),
            models.Index(name="call_of_agent", fields=["agent", "started_at", "id"]),
            models.Index(name="call_of_story", fields=["correlation_id", "started_at", "id"]),
            models.Index(name="call_in_state", fields=["status", "started_at", "id"]),
            models.Index(
                name="call_after", fields=["fallback_from"], condition=Q(fallback_from__isnull=False)
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="settled_call_is_complete",
                condition=Q(status="open") | Q(cost_microusd__isnull=False, ended_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.agent} asks {self.model}: {self.status}"

    @property
    def usage(self) -> Usage | None:
        """The tokens as billed; None: the provider did not say."""
        if self.prompt_tokens is None or self.completion_tokens is None:
            return None
        return Usage(
            prompt=self.prompt_tokens,
            completion=self.completion_tokens,
            cached=self.cached_tokens or 0,
            cache_write=self.cache_write_tokens or 0,
            reasoning=self.reasoning_tokens,
            cache_write_1h=self.cache_write_1h_tokens or 0,
        )


class ProviderKey(models.Model):
    """The key of one provider, sealed; nobody is ever shown more than its last four characters."""

    provider = models.OneToOneField(
        Provider, primary_key=True, on_delete=models.CASCADE, related_name="stored_key"
    )
    sealed = models.TextField(editable=False)
    last_four = models.CharField(max_length=4, blank=True, help_text="Empty: the key is short.")
    set_by = models.CharField(max_length=80)
    set_at = models.DateTimeField(default=timezone.now, help_text="Machine time.")

    def __str__(self) -> str:
        return f"key of {self.provider_id}"


class KeptAnswer(models.Model):
    """One whole answer, as it was told, for whoever of the same product asks the very same again. Source: R-02.20."""

    key = models.CharField(
        max_length=64, primary_key=True, help_text="Digest of who may share it, and of the request."
    )
    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="+")
    body = models.BinaryField()
    until = models.DateTimeField(db_index=True, help_text="Machine time.")

    def __str__(self) -> str:
        return f"answer of call {self.call_id}"


class BatchJob(models.Model):
    """One request in a provider's batch lane: handed in once, answered within a day. Source: R-02.21."""

    class State(models.TextChoices):
        """How far it is."""

        WRITTEN = "written", "to be handed in"
        POSTING = "posting", "handed in, perhaps"
        POSTED = "posted", "handed in"
        ANSWERED = "answered"
        FAILED = "failed", "not answered"

    key = models.CharField(max_length=64, primary_key=True, help_text="Digest of who pays and of the step.")
    call = models.OneToOneField(Call, on_delete=models.CASCADE, related_name="batch")
    request = models.JSONField()
    scopes = models.JSONField(help_text="Who pays, to ask whether they are switched off.")
    state = models.CharField(max_length=10, choices=State, default=State.WRITTEN)
    batch_id = models.CharField(max_length=120, blank=True, help_text="The provider's own name of it.")
    answer = models.JSONField(null=True, help_text="As the provider told it.")
    words = models.CharField(
        max_length=300, blank=True, help_text="What the provider said last that was no answer."
    )
    posting_at = models.DateTimeField(null=True, help_text="Machine time it was handed in, perhaps.")
    cancelled_at = models.DateTimeField(
        null=True, help_text="Machine time the provider was asked to leave it."
    )
    next_look_at = models.DateTimeField(help_text="Machine time.")

    class Meta:
        """The lane asks only for what is not over."""

        indexes = [
            models.Index(
                name="batch_open",
                fields=["next_look_at"],
                condition=Q(state__in=["written", "posting", "posted"]),
            )
        ]
        constraints = [
            models.CheckConstraint(
                name="answered_batch_has_answer", condition=~Q(state="answered") | Q(answer__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return f"batch of call {self.call_id}: {self.state}"
