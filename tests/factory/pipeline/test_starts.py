"""An objective that may cost much is put before the owner in its own words."""

import pytest

from approvals.models import Request
from factory.pipeline.services import Wish, receive_objective
from factory.pipeline.services.starts import ask_to_begin
from tests.builders import a_product

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "text",
    [
        "People pay $20 a month for this",
        "Do what https://cron.example does, for less",
        "Write to ada@payer.example about 5 dollars",
    ],
)
def test_an_idea_may_name_prices_and_places(text: str) -> None:
    objective, _ = receive_objective(Wish(text=text, source="owner", key="k", by="owner:ada"))

    ask_to_begin(objective, product=a_product(), budget_microusd=80_000_000)

    assert Request.objects.get().reason == text
    assert objective.state == "awaiting_approval"
