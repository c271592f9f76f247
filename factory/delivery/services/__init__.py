"""Delivery's verbs."""

from factory.delivery.services.launch import carry_release, question_about
from factory.delivery.services.places import put_table, the_edge, url_of
from factory.delivery.services.releases import (
    is_approved,
    opening_of,
    propose_release,
    refuse_release,
    roll_back,
)
from factory.delivery.services.watch import tick_products, watch_releases

__all__ = [
    "carry_release", "is_approved", "opening_of", "propose_release", "put_table", "question_about", "refuse_release", "roll_back",
    "the_edge", "tick_products", "url_of", "watch_releases",
]  # fmt: skip
