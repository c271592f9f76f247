"""Register: records with dates, reminders and an export."""

from .criteria import criterion, shared, step, tick
from .frame import SHARED_DEFECTS
from .product import Core, Defect, Field, Json, Product
from .text import sections

_FIELDS = (
    Field("name", "text", {"en": "Name", "de": "Name", "fr": "Nom", "es": "Nombre"}, "First one"),
    Field("due_on", "date", {"en": "Due on", "de": "Fällig am", "fr": "Échéance", "es": "Vence el"}, "2030-03-31"),
    Field("remind_days", "count", {"en": "Remind (days before)", "de": "Erinnern (Tage vorher)", "fr": "Rappel (jours avant)", "es": "Avisar (días antes)"}, "30"),
)  # fmt: skip
_DEFECTS = (
    *SHARED_DEFECTS,
    Defect("reminded_a_day_late", "rules.py", "item.remind_days) <= today:", "item.remind_days) < today:"),
    Defect("reminded_again", "rules.py", "        if item.reminded_for == item.due_on:\n            continue\n", ""),
    Defect("export_of_all", "pages.py", 'for item in $Entity.objects.of(request.user).order_by("due_on")', 'for item in $Entity.objects.order_by("due_on")'),
    Defect("export_runs_formulas", "rules.py", 'text.startswith(("=", "+", "-", "@"))', 'text.startswith(("+", "-", "@"))'),
)  # fmt: skip


def _criteria(product: Product) -> list[Json]:
    at, sample = f"/{product.app}/", REGISTER.sample(product)
    add, told = step("anna", "POST", at, form=sample), step("anna", "GET", "/notices/")
    say = f"First one {product.phrases['due']}"
    before, day, after = (f"2030-{d}T07:00:00+00:00" for d in ("02-28", "03-01", "03-02"))
    row = step("anna", "GET", at, keep=rf"{at}(\d+)/renew")
    renewed = step("anna", "POST", at + "{kept}/renew", form={"due_on": "2031-03-31"})
    export = f"{at}export.csv"
    formula = step("anna", "POST", at, form={**sample, "name": "=1+1"})
    return [
        *shared(product, sample),
        criterion("no-date-is-refused", 1, [], step("anna", "POST", at, form={**sample, "due_on": "2030-02-31"}), status=400),
        criterion("quiet-before-the-day", 2, [add, tick(before)], told, absent=say),
        criterion("reminded-once-on-the-day", 2, [add, tick(day), tick(day)], told, text=say, times=1),
        criterion("not-reminded-again", 2, [add, tick(day), tick(after)], told, text=say, times=1),
        criterion("reminded-again-after-renewal", 2, [add, row, tick(day), renewed, tick("2031-03-01T07:00:00+00:00")], told, text=say, times=2),
        criterion("export-is-own", 3, [add], step("bert", "GET", export), absent="First one"),
        criterion("export-runs-no-formula", 3, [formula], step("anna", "GET", export), text="'=1+1"),
    ]  # fmt: skip


REGISTER = Core(
    kind="register",
    cues=(
        r"remind", r"renew", r"expir", r"deadline", r"due\b", r"keep track|track of", r"register|registry|inventory", r"proof\b|dated", r"\bbackups?\b.*\b(?:tests?|tested|restor\w*|prove|recover\w*)\b", r"licen[cs]e", r"\btrack\b", r"vaccin|insurance|certificat", r"lapse",
        r"erinner", r"ablauf|ablaufend", r"frist", r"nachweis", r"verzeichnis", r"im blick", r"prüf|wartung|impf|versicherung|zertifikat", r"rappel", r"échéance", r"suivi", r"registre", r"preuve",
        r"recordatorio|recordar", r"registro", r"vencim|vence", r"caduc", r"comprobante",
    ),
    hints=(r"records?\b|\blist\b", r"liste|verwalt", r"gérer|liste", r"lista|gestion"),
    fields=_FIELDS,
    tagline="{label}: hear about every date before it comes",
    features=("One reminder before the date, again after a renewal", "An export as CSV that is safe to open"),
    alert="due",
    prices=(9, 19, 39),
    slots=sections("register"),
    defects=_DEFECTS,
    criteria=_criteria,
)  # fmt: skip
