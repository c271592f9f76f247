"""Work that holds secrets, or words of strangers, is kept from the same models at the door as inside, by name too."""

from typing import Any

import httpx
import pytest

from agents.gateway.models import Call, ModelEntry
from core.adapters.tls import trusted
from tests.agents.gateway.door.conftest import Begin
from tests.builders import an_agent, an_assignment
from tests.faults.client import Faults

CHAT = {
    "messages": [{"role": "user", "content": "Write about monitoring."}],
    "max_completion_tokens": 20,
}
UNSAFE = {"local", "budget"}


@pytest.mark.parametrize(
    ("work", "arguments", "forbidden"),
    [
        ("write", {}, set()),
        ("write", {"untrusted_input": True}, UNSAFE),
        ("credentials", {}, UNSAFE | {"mid", "premium"}),
        ("write", {"security_sensitive": True}, UNSAFE | {"mid", "premium"}),
        ("write", {"local_only": True}, {"budget", "mid", "premium", "frontier"}),
    ],
)  # fmt: skip
def test_no_model_of_a_forbidden_tier_is_shown_or_asked_by_name_or_chosen(
    begin: Begin, faults: Faults, work: str, arguments: dict[str, Any], forbidden: set[str]
) -> None:
    agent = an_agent(front={"quality": "acceptable"})
    run = begin(agent=agent, assignment=an_assignment(agent, type=work, inputs={"arguments": arguments}))

    told = httpx.get(f"{run.site}/v1/models", headers=run.headers, timeout=60, verify=trusted()).json()[
        "data"
    ]
    by_name = run.post("/v1/chat/completions", model="gpt-5-nano", **CHAT)
    chosen = run.post("/v1/chat/completions", model="auto", **CHAT)

    shown = set(
        ModelEntry.objects.filter(name__in=[one["id"] for one in told]).values_list("tier", flat=True)
    )
    served = set(Call.objects.values_list("model__tier", flat=True))
    assert (shown | served) & forbidden == set()
    assert by_name.status_code == (400 if "budget" in forbidden else 200)
    assert chosen.status_code == (200 if served else 400)
    assert bool(served) is ("frontier" not in forbidden)
    if by_name.status_code != 200:
        assert by_name.json()["error"]["code"] == "MODEL_FORBIDDEN"
