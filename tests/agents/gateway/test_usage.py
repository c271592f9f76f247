"""What providers billed against what was booked."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from agents.gateway.errors import UsageUnreadable
from agents.gateway.models import Call, ModelEntry
from agents.gateway.services import sync_prices
from agents.gateway.services.usage import compare_usage, read_usage
from core.ids import new_id
from core.models import AuditRow, Event

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 1)


@pytest.fixture
def booked(table: Path) -> None:
    """One dollar at OpenAI on that day, and one a minute after it."""
    sync_prices(table)
    entry = ModelEntry.objects.get(name="gpt-5.2")
    for at in (datetime(2026, 3, 1, 23, 59, tzinfo=UTC), datetime(2026, 3, 2, 0, 0, tzinfo=UTC)):
        Call.objects.create(
            id=new_id(), agent="Rex", assignment_id=new_id(), model=entry, tier="frontier", task_type="general", reason="", bound_microusd=2_000_000,
            cost_microusd=1_000_000, status="answered", started_at=at, ended_at=at, prompt_sha256="", mode="real",
        )  # fmt: skip


def a_file(folder: Path, text: str) -> Path:
    """Write a bill."""
    (folder / "usage.csv").write_text(text)
    return folder / "usage.csv"


@pytest.mark.parametrize(
    ("usd", "is_far"),
    [("1.00", False), ("1.05", False), ("0.95", False), ("1.06", True), ("0.94", True), ("0", True)],
)
def test_more_than_a_twentieth_apart_is_told(booked: None, tmp_path: Path, usd: str, is_far: bool) -> None:  # noqa: FBT001
    billed = read_usage(a_file(tmp_path, f"day,provider,cost_usd\n2026-03-01,openai,{usd}\n"))

    [found] = compare_usage(billed, by="owner:ada")

    assert (found.booked_microusd, found.is_far) == (1_000_000, is_far)
    assert Event.objects.filter(kind="gateway.usage_differs").exists() == is_far
    assert AuditRow.objects.filter(verb="gateway.compare_usage", actor="owner:ada").exists()


def test_lines_of_one_day_add_up(tmp_path: Path) -> None:
    text = "day,provider,model,cost_usd\n2026-03-01,openai,a,0.10\n2026-03-01,openai,b,0.0000001\n"

    assert read_usage(a_file(tmp_path, text)) == {(DAY, "openai"): 100_001}


@pytest.mark.parametrize(
    "text",
    ["day,provider\n2026-03-01,openai\n", "day,provider,cost_usd\nsoon,openai,1\n", "day,provider,cost_usd\n2026-03-01,openai,-1\n", "day,provider,cost_usd\n2026-03-01,openai,NaN\n", "day,provider,cost_usd\n2026-03-01,,1\n"],
)  # fmt: skip
def test_what_is_no_bill_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageUnreadable):
        read_usage(a_file(tmp_path, text))


def test_a_provider_that_is_not_ours_and_a_missing_file_are_refused(booked: None, tmp_path: Path) -> None:
    with pytest.raises(UsageUnreadable, match="nobody"):
        compare_usage({(DAY, "nobody"): 1}, by="owner:ada")
    with pytest.raises(UsageUnreadable):
        read_usage(tmp_path / "none.csv")
