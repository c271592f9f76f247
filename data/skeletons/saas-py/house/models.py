"""What the house keeps: notices and their delivery, payments, events, answers given once."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction

from house import clock


class Notice(models.Model):
    """One message to one owner."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    subject = models.CharField(max_length=200)
    text = models.TextField()
    created_at = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return self.subject

    @classmethod
    @transaction.atomic
    def send(cls, owner: Any, *, subject: str, text: str) -> "Notice":
        """Keep the notice; mail and webhook leave with the next tick, and are tried again when they fail."""
        notice = cls.objects.create(owner=owner, subject=" ".join(subject.split())[:200], text=text)
        ways = [Delivery.Way.MAIL] if owner.email else []
        ways += [Delivery.Way.WEBHOOK] if Webhook.objects.filter(owner=owner).exists() else []
        Delivery.objects.bulk_create([Delivery(notice=notice, way=way) for way in ways])
        return notice


class Webhook(models.Model):
    """Where an owner wants notices posted."""

    owner = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    address = models.URLField(max_length=500)

    def __str__(self) -> str:
        return self.address


class DeliveryQuery(models.QuerySet["Delivery"]):
    """Questions about what has to leave."""

    def due(self) -> "DeliveryQuery":
        """What has not left, may be tried again, and has waited long enough."""
        return self.filter(sent_at=None, tries__lt=Delivery.MOST_TRIES, due_at__lte=clock.now())


class Delivery(models.Model):
    """One way a notice leaves the house; `sent_at` None: not yet."""

    class Way(models.TextChoices):
        """How it leaves."""

        MAIL = "mail"
        WEBHOOK = "webhook"

    MOST_TRIES = 5
    PAUSE = timedelta(minutes=5)  # longer than a tick, so that two ticks at once do not send the same
    notice = models.ForeignKey(Notice, on_delete=models.CASCADE)
    way = models.CharField(max_length=10, choices=Way.choices)
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=clock.now, db_index=True)
    sent_at = models.DateTimeField(null=True)

    objects = DeliveryQuery.as_manager()

    def __str__(self) -> str:
        return f"{self.way} of {self.notice_id}"

    def claim(self) -> bool:
        """Take this try; False when another tick was first."""
        mine = Delivery.objects.filter(pk=self.pk, sent_at=None, tries=self.tries)
        return bool(mine.update(tries=self.tries + 1, due_at=clock.now() + self.PAUSE * 2**self.tries))


class Payment(models.Model):
    """One month of a plan, paid in test mode."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    plan = models.CharField(max_length=80)
    amount_cents = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return f"{self.plan}: {self.amount_cents} cents"


class Event(models.Model):
    """Something a person did; it stays, without the person, when an account goes."""

    name = models.CharField(max_length=40)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    facts = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=clock.now, db_index=True)

    class Meta:
        """An owner has one first use."""

        constraints = [
            models.UniqueConstraint("owner", condition=models.Q(name="first_use"), name="one_first_use")
        ]

    def __str__(self) -> str:
        return self.name


class KeptAnswer(models.Model):
    """The answer to a POST with an Idempotency-Key, given again when the same request comes again."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    key = models.CharField(max_length=100)
    asked = models.CharField(max_length=64)  # SHA-256 of path and body
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField()
    body = models.BinaryField()
    created_at = models.DateTimeField(default=clock.now, db_index=True)

    class Meta:
        """A key is used once by its owner."""

        constraints = [models.UniqueConstraint("owner", "key", name="one_answer_a_key")]

    def __str__(self) -> str:
        return self.key
