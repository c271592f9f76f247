"""Settings: read in force, changed with a reason, changed back."""

from django.db import IntegrityError, transaction

from core.errors import SettingChanged, SettingUnknown
from core.models import Installation, SettingValue
from core.registry import SETTINGS, find_setting
from core.services.audit import audit
from core.services.outbox import publish

Value = int | str


def setting(key: str) -> Value:
    """Return the value in force.

    Raises:
        NotRegistered: there is no such setting.
    """
    known = find_setting(key)
    found = SettingValue.objects.in_force().filter(key=key).first()
    value: Value = found.value if found else known.default
    return value


def number_setting(key: str) -> int:
    """Return the value in force of a setting that is a number."""
    return int(setting(key))


def settings_in_force() -> dict[str, Value]:
    """Return the value of every setting, in one query."""
    changed = dict(SettingValue.objects.in_force().values_list("key", "value"))
    return {key: changed.get(key, known.default) for key, known in SETTINGS.items()}


@transaction.atomic
def change_setting(
    key: str, value: object, *, by: str, why: str = "", version: int | None = None
) -> SettingValue | None:
    """Put a value in force if `version` is still the one that was shown; the same value changes nothing and gives None.

    Raises:
        NotRegistered: there is no such setting.
        BadArguments: the value is outside its range.
        SettingChanged: somebody was faster; nothing was changed.
    """
    known = find_setting(key)
    new, old = known.read(value), SettingValue.objects.of(key).first()
    before: Value = old.value if old else known.default
    here = old.version if old else 0
    if version is not None and version != here:
        raise SettingChanged(setting=known.label, now=known.in_words(before))
    if new == before:
        return None
    SettingValue.objects.in_force().filter(key=key).update(is_in_force=False)
    row = _write(SettingValue(key=key, version=here + 1, old=before, value=new, by=by[:80], why=why[:300]))
    if key == "time_zone":
        Installation.objects.update(time_zone=new)
    audit(actor=by, verb="core.change_setting", subject=key, old=before, new=new, why=why)
    publish("core.setting_changed", key=key)
    return row


def _write(row: SettingValue) -> SettingValue:
    """Write the version, unless another process gave it at the same instant."""
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise SettingChanged(setting=row.key) from None
    return row


def revert_setting(key: str, *, to_version: int, by: str) -> SettingValue | None:
    """Put back what was in force at this version; 0 is the default.

    Raises:
        NotRegistered: there is no such setting or version.
    """
    if to_version == 0:
        return change_setting(key, find_setting(key).default, by=by, why="back to the default")
    row = SettingValue.objects.of(key).filter(version=to_version).first()
    if row is None:
        raise SettingUnknown(setting=key, version=to_version)
    return change_setting(key, row.value, by=by, why=f"back to version {to_version}")


def check_settings() -> None:
    """Refuse to start on a value that this release does not know or would not take.

    Raises:
        SettingUnknown: says which.
        BadArguments: a value is outside its range.
    """
    for key, value in SettingValue.objects.in_force().values_list("key", "value"):
        if key not in SETTINGS:
            raise SettingUnknown(setting=key, known=", ".join(SETTINGS))
        SETTINGS[key].read(value)
