"""The files of a product, by the part that writes them, as a careful coder would write them."""

import json
from collections import defaultdict
from string import Template

from .imports import tidy
from .product import PARTS, Core, Defect, Product
from .text import sections

_COLUMNS = {
    "text": "models.CharField({label}, max_length=200{blank})",
    "url": "models.URLField({label}, max_length=500)",
    "date": "models.DateField({label})",
    "count": "models.PositiveIntegerField({label}, validators=[MinValueValidator(1), MaxValueValidator(100_000)])",
}
_SHARED = [(*head.split(" "), text) for head, text in sections("shared").items()]  # part, path, text
SHARED_DEFECTS = (
    Defect("limit_off_by_one", "rules.py", "$Entity.objects.of(owner).count())", "$Entity.objects.of(owner).count() - 1)"),
    Defect("history_never_ends", "rules.py", 'item.past.filter(at__gte=since).order_by("-at", "-id")', 'item.past.order_by("-at", "-id")'),
    Defect("owner_missing_in_api", "api.py", "in $Entity.objects.of(request.user)]", "in $Entity.objects.all()]"),
    Defect("owner_missing_in_list", "pages.py", "items = $Entity.objects.of(request.user)", "items = $Entity.objects.all()"),
    Defect("owner_missing_in_delete", "pages.py", "get_object_or_404($Entity.objects.of(request.user), pk=pk).delete()", "get_object_or_404($Entity, pk=pk).delete()"),
    Defect("owner_missing_in_history", "pages.py", "item = get_object_or_404($Entity.objects.of(request.user), pk=pk)\n    return", "item = get_object_or_404($Entity, pk=pk)\n    return"),
    Defect("unescaped", "index.html", "<td>{{ item.name }}</td>", "<td>{{ item.name|safe }}</td>"),
    Defect("secret_in_code", "rules.py", "\n\n@transaction.atomic\ndef add(", '\n\nSIGNING_SECRET = "$noise"\n\n\n@transaction.atomic\ndef add(', gate="scan"),
    Defect("shell_command", "pages.py", "\n\n@login_required\ndef index(", '\nimport subprocess\n\n\ndef backup(folder):\n    """A copy of all files in `folder`."""\n    return subprocess.run(f"tar -cf backup.tar {folder}", shell=True, check=False)\n\n\n@login_required\ndef index(', gate="scan"),
)  # fmt: skip


def files(product: Product, core: Core) -> dict[str, dict[str, str]]:
    """Every file of the product by part and path; `api.py` and `pages.py` stand empty in the part `core`."""
    given = _given(product, core)
    filled = {name: Template(text).safe_substitute(given) for name, text in core.slots.items()}
    slots = defaultdict(str, {**given, **filled})  # a slot that this core does not fill is empty
    made: dict[str, dict[str, str]] = {part: {} for part in PARTS}
    for part, path, text in _SHARED:
        made[part][product.fill(path)] = tidy(Template(text).substitute(slots))
    return made


def final(product: Product, core: Core) -> dict[str, str]:
    """Every file as it stands when all parts are written."""
    return {path: text for part in files(product, core).values() for path, text in part.items()}


def typed(product: Product, defect: Defect, *, noise: str = "") -> tuple[str, str]:
    """`right` and `wrong` of a defect in this product's names; `noise` is the stuff that keys are made of."""
    return product.fill(defect.right), product.fill(defect.wrong, noise=noise)


def _given(product: Product, core: Core) -> dict[str, str]:
    rest = [f"<td>{{{{ item.{name} }}}}</td>" for name, _, _ in product.fields[1:]]
    sample = {n: v.replace("{site}", "http://93.184.216.34") for n, v in core.sample(product).items()}
    return {
        "app": product.app, "Entity": product.entity, "label": product.label, "names": product.names,
        "widgets": _widgets(product),
        "columns": "\n".join(f"    {name} = {_column(name, kind, label)}" for name, kind, label in product.fields),
        "heads": "".join(f"<th>{label}</th>" for _, _, label in product.fields), "cells": "".join(rest),
        "sample": ", ".join(f'"{name}": "{value}"' for name, value in sample.items()),
        "plans": _json([dict(zip(("plan", "usd_month", "limit", "history_days"), p, strict=True)) for p in product.plans]),
        "copy": _json(_copy(product)), **{f"say_{key}": text for key, text in product.phrases.items()},
    }  # fmt: skip


def _widgets(product: Product) -> str:
    """A calendar for each date; other fields show what they take by themselves."""
    days = [
        f'"{name}": forms.DateInput(attrs={{"type": "date"}})'
        for name, kind, _ in product.fields
        if kind == "date"
    ]
    return f"        widgets = {{{', '.join(days)}}}\n" if days else ""


def _copy(product: Product) -> dict[str, object]:
    """What the home page says: nothing that is not promised."""
    return {
        "name": product.name, "language": product.language, "tagline": product.tagline, "sentence": ". ".join(product.features),
        "nav": [{"label": product.label, "path": f"/{product.app}/"}],
    }  # fmt: skip


def _json(data: object) -> str:
    return json.dumps(data, ensure_ascii=False, indent=2)


def _column(name: str, kind: str, label: str) -> str:
    return _COLUMNS[kind].format(
        label=json.dumps(label, ensure_ascii=False), blank="" if name == "name" else ", blank=True"
    )
