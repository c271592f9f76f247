"""Reference products: ideas that ship with the factory, with their own price range and the reason for it. Source: R-10.30."""

from dataclasses import dataclass
from pathlib import Path

import yaml
from django.conf import settings

from core.errors import NotFound
from core.ids import digest_of
from factory.pipeline.rules.blueprint import PRICE_RANGE_USD


@dataclass(frozen=True)
class Reference:
    """One shipped idea."""

    name: str
    idea: str
    price_range_usd: tuple[int, int]


def reference(name: str) -> Reference:
    """Return the reference product of this name.

    Raises:
        NotFound: lists the names there are.
    """
    path = _folder() / f"{name}.yaml"
    if path not in _folder().glob("*.yaml"):
        raise NotFound(reference=name, known=", ".join(sorted(one.stem for one in _folder().glob("*.yaml"))))
    return _read(path)


def reference_prices(opportunity_name: str) -> tuple[int, int]:
    """Return the price range of the reference product whose idea this opportunity is, else the usual one."""
    known = {f"idea-{digest_of(one.idea)[:10]}": one for one in map(_read, _folder().glob("*.yaml"))}
    return known[opportunity_name].price_range_usd if opportunity_name in known else PRICE_RANGE_USD


def _folder() -> Path:
    return Path(settings.DATA_DIR) / "references"


def _read(path: Path) -> Reference:
    found = yaml.safe_load(path.read_text())
    low, high = found["price_range_usd"]
    return Reference(name=found["name"], idea=" ".join(found["idea"].split()), price_range_usd=(low, high))
