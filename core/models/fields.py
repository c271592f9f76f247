"""Columns that Django does not have."""

import json
from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    _Text = models.TextField[Any, Any]
else:
    _Text = models.TextField


class OrderedJSONField(_Text):
    """JSON kept as it was written: `jsonb` would sort its names, and a model reads and fills a schema in their order."""

    # what the type checker believes a column takes and gives
    _pyi_private_set_type: Any
    _pyi_private_get_type: Any

    def from_db_value(self, value: str | None, *_: object) -> Any:
        """Return the value a column holds."""
        return None if value is None else json.loads(value)

    def get_prep_value(self, value: Any) -> str | None:
        """Return what a column holds for `value`."""
        return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def to_python(self, value: Any) -> Any:
        """Return the value that a fixture spells."""
        return json.loads(value) if isinstance(value, str) else value

    def value_to_string(self, obj: models.Model) -> str:
        """Return how a fixture spells the value."""
        return json.dumps(self.value_from_object(obj), ensure_ascii=False)
