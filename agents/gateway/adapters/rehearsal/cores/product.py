"""The nouns of a build: a product as its blueprint says it, a core that can write it, a mistake that coders make."""

from collections.abc import Callable
from dataclasses import dataclass, field
from string import Template
from typing import Any

Json = dict[str, Any]
PARTS = ("core", "api", "pages", "integration")
PHRASES = {
    "en": {"delete": "Delete", "renew": "Renew", "full": "Your plan holds no more", "added": "added", "back": "is back", "late": "is late", "reported": "reported", "changed": "has changed", "due": "is due", "renewed": "renewed", "add": "Add", "history": "History", "none": "Nothing yet."},
    "de": {"delete": "Löschen", "renew": "Erneuern", "full": "Ihr Tarif fasst nicht mehr", "added": "angelegt", "back": "meldet sich wieder", "late": "ist überfällig", "reported": "hat sich gemeldet", "changed": "hat sich geändert", "due": "läuft ab", "renewed": "erneuert", "add": "Hinzufügen", "history": "Verlauf", "none": "Noch nichts."},
    "fr": {"delete": "Supprimer", "renew": "Renouveler", "full": "Votre offre est pleine", "added": "ajouté", "back": "est de retour", "late": "est en retard", "reported": "a répondu", "changed": "a changé", "due": "arrive à échéance", "renewed": "renouvelé", "add": "Ajouter", "history": "Historique", "none": "Rien encore."},
    "es": {"delete": "Eliminar", "renew": "Renovar", "full": "Su plan está lleno", "added": "añadido", "back": "ha vuelto", "late": "lleva retraso", "reported": "ha respondido", "changed": "ha cambiado", "due": "vence pronto", "renewed": "renovado", "add": "Añadir", "history": "Historial", "none": "Nada todavía."},
}  # fmt: skip


@dataclass(frozen=True)
class Field:
    """One column that a person fills in; `kind` is text, url, date or count."""

    name: str
    kind: str
    labels: dict[str, str]
    sample: str = "x"


@dataclass(frozen=True)
class Product:
    """What is to be built, as a blueprint says it; `fields` are (name, kind, label), `plans` (name, usd, limit, days)."""

    name: str
    tagline: str
    kind: str
    label: str
    app: str
    entity: str
    language: str
    fields: tuple[tuple[str, str, str], ...]
    plans: tuple[tuple[str, int, int, int], ...]
    features: tuple[str, ...] = ()

    @property
    def phrases(self) -> dict[str, str]:
        """The product's fixed sentences in its language."""
        return PHRASES.get(self.language, PHRASES["en"])

    @property
    def names(self) -> str:
        """Its fields as a list in Python's words."""
        return ", ".join(f'"{name}"' for name, _, _ in self.fields)

    def fill(self, text: str, **more: str) -> str:
        """`text` in this product's names."""
        say = {f"say_{key}": phrase for key, phrase in self.phrases.items()}
        given = {
            "app": self.app,
            "Entity": self.entity,
            "label": self.label,
            "names": self.names,
            **say,
            **more,
        }
        return Template(text).safe_substitute(given)


@dataclass(frozen=True)
class Defect:
    """A mistake that real coders make: `wrong` stands where `right` should, in `file`.

    `gate` says what can see it: a `journey` of the running product, or only a `scan` of its code.
    """

    name: str
    file: str
    right: str
    wrong: str
    gate: str = "journey"


@dataclass(frozen=True)
class Core:
    """One kind of product: how an idea asks for it, what it holds, and the code that does it.

    A cue alone makes an idea fit; a hint only helps to choose between cores.
    """

    kind: str
    cues: tuple[str, ...]
    hints: tuple[str, ...]
    fields: tuple[Field, ...]
    tagline: str
    features: tuple[str, str]
    alert: str
    prices: tuple[int, int, int]
    slots: dict[str, str]
    defects: tuple[Defect, ...]
    criteria: Callable[[Product], list[Json]]
    tests: dict[str, str] = field(default_factory=dict)

    def sample(self, product: Product) -> dict[str, str]:
        """A filled-in form of this product."""
        samples = {f.name: f.sample for f in self.fields}
        usual = {"date": "2030-03-31", "count": "60", "url": "https://example.org/", "text": "x"}
        return {name: samples.get(name, usual[kind]) for name, kind, _ in product.fields}
