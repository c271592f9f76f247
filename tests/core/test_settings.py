"""Settings: inside their range, versioned, changed back; what nobody knows stops the start."""

import pytest

from core.errors import BadArguments, NotRegistered, SettingChanged, SettingUnknown
from core.models import AuditRow, Installation, SettingValue
from core.registry import SETTINGS
from core.services import (
    change_setting,
    check_settings,
    drain,
    found_installation,
    revert_setting,
    setting,
    settings_in_force,
)

pytestmark = pytest.mark.django_db
HOURS = "approvals.answer_hours"


def test_before_anybody_changed_it_a_setting_has_its_default() -> None:
    assert setting(HOURS) == 4
    assert settings_in_force() == {key: one.default for key, one in SETTINGS.items()}


def test_every_default_lies_in_its_own_range() -> None:
    assert [one.key for one in SETTINGS.values() if one.read(one.default) != one.default] == []


def test_a_change_is_in_force_at_once_and_says_who_and_why() -> None:
    change_setting(HOURS, "24", by="owner:ada", why="on the road")

    row = SettingValue.objects.get()
    assert (setting(HOURS), row.old, row.version, row.by, row.why) == (24, 4, 1, "owner:ada", "on the road")
    assert AuditRow.objects.filter(verb="core.change_setting", subject=HOURS).count() == 1


def test_the_same_value_again_is_no_version() -> None:
    change_setting(HOURS, 4, by="owner:ada")

    assert not SettingValue.objects.exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [(HOURS, 0), (HOURS, 169), (HOURS, "4.5"), (HOURS, ""), (HOURS, "٣"), ("theme", "pink"), ("time_zone", "Mars/Olympus")],
)  # fmt: skip
def test_a_value_outside_its_range_is_refused(key: str, value: object) -> None:
    with pytest.raises(BadArguments):
        change_setting(key, value, by="owner:ada")

    assert not SettingValue.objects.exists()


def test_a_setting_nobody_knows_is_refused() -> None:
    with pytest.raises(NotRegistered):
        change_setting("money.printer", 1, by="owner:ada")


def test_any_version_can_be_put_back_and_the_default_too() -> None:
    for hours in (8, 12):
        change_setting(HOURS, hours, by="owner:ada")

    revert_setting(HOURS, to_version=1, by="owner:ada")
    first = setting(HOURS)
    revert_setting(HOURS, to_version=0, by="owner:ada")

    assert (first, setting(HOURS)) == (8, 4)
    assert SettingValue.objects.in_force().get().version == 4
    with pytest.raises(SettingUnknown):
        revert_setting(HOURS, to_version=9, by="owner:ada")


def test_whoever_saw_an_older_version_changes_nothing() -> None:
    change_setting(HOURS, 8, by="owner:ada", version=0)

    with pytest.raises(SettingChanged):
        change_setting(HOURS, 12, by="owner:ada", version=0)

    assert setting(HOURS) == 8


def test_the_time_zone_of_the_pages_follows_its_setting() -> None:
    found_installation("rehearsal")

    change_setting("time_zone", "Pacific/Auckland", by="owner:ada")

    assert Installation.objects.get().time_zone == "Pacific/Auckland"


def test_a_stored_name_this_release_does_not_know_stops_the_start() -> None:
    change_setting(HOURS, 8, by="owner:ada")
    check_settings()

    SettingValue.objects.update(key="approvals.hours")

    with pytest.raises(SettingUnknown):
        check_settings()


def test_a_drain_lasts_as_long_as_was_set() -> None:
    found_installation("rehearsal")
    change_setting("control.drain_min", 2, by="owner:ada")

    drain(by="owner:ada")

    here = Installation.objects.get()
    assert here.drain_until is not None
    assert here.draining_at is not None
    assert (here.drain_until - here.draining_at).total_seconds() == 120
