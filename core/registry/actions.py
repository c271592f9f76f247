"""Actions: what an approval will do, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import jsonschema

from core.errors import BadArguments, NotRegistered
from core.registry.names import put


class Effect(Protocol):
    """Rows only: runs in the transaction of the decision; effects outside follow from the rows it writes."""

    def __call__(self, arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
        """Carry out what was decided."""


@dataclass(frozen=True)
class Action:
    """A name, the schema of its arguments, what yes and no do, and what holds back a yes nobody acted on yet, if it can be."""

    name: str
    schema: Mapping[str, Any]
    on_yes: Effect
    on_no: Effect
    on_take_back: Effect | None = None


_actions: dict[str, Action] = {}


def register_action(
    name: str, *, schema: Mapping[str, Any], on_no: Effect, on_take_back: Effect | None = None
) -> Callable[[Effect], Effect]:
    """Register the decorated function as what a yes to `name` does."""

    def register(on_yes: Effect) -> Effect:
        put(_actions, name=name, thing=Action(name, schema, on_yes, on_no, on_take_back))
        return on_yes

    return register


def find_action(name: str) -> Action:
    """Return the action of this name.

    Raises:
        NotRegistered: no app offers it.
    """
    if name not in _actions:
        raise NotRegistered(action=name)
    return _actions[name]


def check_arguments(schema: Mapping[str, Any], arguments: object) -> None:
    """Refuse `arguments` that do not fit `schema`.

    Raises:
        BadArguments: names the place and what was expected there.
    """
    fault = next(iter(jsonschema.Draft202012Validator(schema).iter_errors(arguments)), None)
    if fault is not None:
        raise BadArguments(at=fault.json_path, expected=fault.message[:300])
