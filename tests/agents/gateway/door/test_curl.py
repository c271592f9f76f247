"""The door as a shell script uses it: curl and nothing else."""

import json
import shutil
import subprocess
from typing import Any

import pytest

from agents.gateway.models import Call
from tests.agents.gateway.door.conftest import Begin, Run
from tests.agents.gateway.door.test_every_door import BODIES, ONCE, PAID
from tests.faults.client import Faults

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed here")


def curl(run: Run, path: str, *words: str, body: dict[str, Any] | None = None) -> tuple[int, str]:
    """Return status and body of one call."""
    told = ["--data-binary", json.dumps(body)] if body is not None else []
    done = subprocess.run(  # noqa: S603 (our own words)
        ["curl", "-sS", "-N", "-w", "\n%{http_code}", *words, *told, f"{run.site}{path}"],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    content, _, status = done.stdout.rpartition("\n")
    return int(status), content


@pytest.mark.parametrize(("name", "path"), PAID)
@pytest.mark.parametrize("header", ["authorization: Bearer {}", "x-api-key: {}"])
def test_every_paid_door_answers_curl_whole_and_streamed(
    begin: Begin, faults: Faults, name: str, path: str, header: str
) -> None:
    run = begin()
    key = ("-H", header.format(run.token))

    status, whole = curl(run, path, *key, body=BODIES[name])
    streams = [] if name in ONCE else [curl(run, path, *key, body={**BODIES[name], "stream": True})]

    assert (status, json.loads(whole).get("error")) == (200, None)
    assert all(status == 200 and "Hello." in text and "data: " in text for status, text in streams)
    assert set(Call.objects.values_list("status", flat=True)) == {"answered"}


def test_curl_sees_the_models_and_a_refusal_it_can_read(begin: Begin, faults: Faults) -> None:
    run = begin(models=("gpt-5-mini",))

    listed = curl(run, "/v1/models", "-H", f"authorization: Bearer {run.token}")
    refused = curl(run, "/v1/messages", "-H", "x-api-key: nobody", body=BODIES["door-messages"])
    chunked = curl(
        run, "/v1/chat/completions", "-H", f"authorization: Bearer {run.token}", "-H", "transfer-encoding: chunked",
        "-H", "expect: 100-continue", body=BODIES["door-chat"],
    )  # fmt: skip

    assert [one["id"] for one in json.loads(listed[1])["data"]] == ["gpt-5-mini"]
    assert (refused[0], json.loads(refused[1])["error"]["code"]) == (400, "TOKEN_ENDED")
    assert chunked[0] == 200
