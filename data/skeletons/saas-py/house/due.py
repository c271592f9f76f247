"""What the house itself does at a tick: deliver notices, forget old answers."""

import logging
import smtplib
import time

from django.core.mail import send_mail

from house import clock, fetch
from house.models import Delivery, KeptAnswer, Webhook
from house.once import KEPT_FOR
from house.tick import every_tick

logger = logging.getLogger(__name__)
LONGEST_S = 20  # a slow receiver must not hold up the next tick


@every_tick
def deliver() -> None:
    """Send what has not left yet, oldest first."""
    deadline = time.monotonic() + LONGEST_S
    for one in Delivery.objects.due().select_related("notice__owner").order_by("due_at", "id")[:200]:
        if time.monotonic() > deadline:
            return
        if not one.claim():
            continue
        if _has_left(one):
            Delivery.objects.filter(pk=one.pk).update(sent_at=clock.now())
        else:
            logger.warning("notice.not_delivered", extra={"way": one.way, "tries": one.tries + 1})


@every_tick
def forget() -> None:
    """Drop answers that are older than a day."""
    KeptAnswer.objects.filter(created_at__lt=clock.now() - KEPT_FOR).delete()


def _has_left(one: Delivery) -> bool:
    """Send it; True when the other side took it, or when nobody wants it any more."""
    notice = one.notice
    if one.way == Delivery.Way.WEBHOOK:
        hook = Webhook.objects.filter(owner=notice.owner).first()
        facts = {
            "id": notice.pk,
            "subject": notice.subject,
            "text": notice.text,
            "at": notice.created_at.isoformat(),
        }
        return hook is None or 200 <= fetch.post(hook.address, facts)[0] < 300
    try:
        send_mail(notice.subject, notice.text, None, [notice.owner.email])
    except (OSError, smtplib.SMTPException):
        return False
    return True
