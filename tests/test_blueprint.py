"""The blueprint is executable: what import-linter cannot see of the house is checked here."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from django.apps import apps
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS = {contract["id"]: contract for contract in LINTER["contracts"]}
PACKAGES = set(LINTER["root_packages"])


def names(layers: list[str]) -> list[set[str]]:
    """Return the modules named in each of `layers`, lowest first."""
    return [set(re.findall(r"[\w.]+", layer)) for layer in reversed(layers)]


HEIGHT = {app: height for height, layer in enumerate(names(CONTRACTS["order"]["layers"])) for app in layer}


def folder(package: str) -> Path:
    """Return where `package` stands on disk."""
    return ROOT.joinpath(*package.split("."))


BUILT = {app for app in HEIGHT if folder(app).exists()}


def parts(package: str) -> set[str]:
    """Return the names of all files and folders in `package`, without dunders."""
    stems = {path.stem for path in folder(package).iterdir()}
    return {stem for stem in stems if not stem.startswith("__")}


def strange_parts(app: str) -> set[str]:
    """Return what stands in `app` and is no room of the blueprint."""
    contract = CONTRACTS["core" if app == "core" else "rooms"]
    return parts(app).difference(contract["exhaustive_ignores"], *names(contract["layers"]))


def foreign_keys() -> Iterator[tuple[str, str, str]]:
    """Yield each relation as an arrow to read, the app that holds it, the app it leads to."""
    for model in apps.get_models():
        for field in (*model._meta.fields, *model._meta.many_to_many):
            if isinstance(target := field.related_model, type):
                arrow = f"{field} > {target._meta.label}"
                yield arrow, model._meta.app_config.name, target._meta.app_config.name


def test_every_app_on_disk_stands_in_the_order_and_is_installed() -> None:
    shared = {package for package in PACKAGES if package not in HEIGHT}
    nested = {f"{package}.{part}" for package in shared for part in parts(package)}
    built = nested | {package for package in PACKAGES - shared if folder(package).exists()}
    built -= set(CONTRACTS["entrance"]["protected_modules"])

    assert built <= set(HEIGHT)
    assert built == set(HEIGHT) & {config.name for config in apps.get_app_configs()}


def test_nothing_else_stands_at_the_front_door() -> None:
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} == PACKAGES | {"tests"}
    assert {path.name for path in ROOT.glob("*.py")} == {"celery_app.py", "manage.py"}


def test_no_installed_library_bears_the_name_of_a_package_of_ours() -> None:
    assert PACKAGES & set(packages_distributions()) == set()


def test_an_init_file_is_a_sign_and_no_door() -> None:
    signs = {name: folder(name).joinpath("__init__.py").read_text() for name in PACKAGES | BUILT}

    busy = {name for name, text in signs.items() if re.search("^(from|import) ", text, re.MULTILINE)}

    assert busy == set()


def test_every_app_has_only_known_rooms() -> None:
    assert {app: strange_parts(app) for app in BUILT if strange_parts(app)} == {}


def test_foreign_keys_point_down() -> None:
    ground, sky = -1, len(HEIGHT)

    upward = [
        arrow
        for arrow, here, there in foreign_keys()
        if here != there and HEIGHT.get(there, ground) >= HEIGHT.get(here, sky)
    ]

    assert upward == []
