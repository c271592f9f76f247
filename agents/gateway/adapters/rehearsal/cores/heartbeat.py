"""Heartbeat: something must report in time; silence is the alarm."""

from .criteria import criterion, shared, step, tick
from .frame import SHARED_DEFECTS
from .product import Core, Defect, Field, Json, Product
from .text import sections

_FIELDS = (
    Field("name", "text", {"en": "Name", "de": "Name", "fr": "Nom", "es": "Nombre"}, "First one"),
    Field("period_minutes", "count", {"en": "Every (minutes)", "de": "Alle (Minuten)", "fr": "Toutes les (minutes)", "es": "Cada (minutos)"}, "60"),
    Field("grace_minutes", "count", {"en": "Grace (minutes)", "de": "Kulanz (Minuten)", "fr": "Tolérance (minutes)", "es": "Margen (minutos)"}, "30"),
)  # fmt: skip
_DEFECTS = (
    *SHARED_DEFECTS,
    Defect("grace_ignored", "models.py", "timedelta(minutes=self.period_minutes + self.grace_minutes)", "timedelta(minutes=self.period_minutes)"),
    Defect("back_not_told", "rules.py", "    if was_late:", "    if item.is_late:"),
    Defect("never_late_again", "rules.py", "    item.is_late = False\n", ""),
    Defect("duration_lost", "api.py", 'request.POST.get("duration") or request.GET.get("duration", "")', 'request.GET.get("duration", "")'),
)  # fmt: skip


def _criteria(product: Product) -> list[Json]:
    at, sample = f"/{product.app}/", HEARTBEAT.sample(product)
    late, back = (f"First one {product.phrases[key]}" for key in ("late", "back"))
    add, told = step("anna", "POST", at, form=sample), step("anna", "GET", "/notices/")
    address = step("anna", "GET", at, keep=r"(/ping/[0-9a-f]+)")
    number = step("anna", "GET", at, keep=rf"{at}(\d+)/history")
    hook = step("anna", "POST", "/notices/", form={"address": "{site}/hook"})
    timed = step("nobody", "POST", "{kept}", form={"duration": "12"})
    early, due, after, next_day = (
        f"2030-01-{t}:00+00:00" for t in ("07T09:20", "07T09:40", "07T10:00", "08T10:00")
    )

    def ping(time: str) -> Json:
        return step("nobody", "GET", "{kept}", at=time)

    return [
        *shared(product, sample),
        criterion("duration-is-kept", 2, [add, address, timed, number], step("anna", "GET", at + "{kept}/history"), text="(12 s)"),
        criterion("quiet-within-grace", 3, [add, address, tick(early)], told, absent=late),
        criterion("told-once-when-late", 3, [add, tick(due), tick(after)], told, text=late, times=1),
        criterion("told-by-webhook", 3, [hook, add, tick(due)], step("site", "GET", "/hook"), text="First one"),
        criterion("ping-puts-off-the-alarm", 3, [add, address, ping(early), tick(due)], told, absent=late),
        criterion("told-when-back", 3, [add, address, tick(due), ping(after)], told, text=back),
        criterion("told-again-next-time", 3, [add, address, tick(due), ping(after), tick(next_day)], told, text=late, times=2),
    ]  # fmt: skip


HEARTBEAT = Core(
    kind="heartbeat",
    cues=(
        r"\bping", r"heartbeat", r"cron", r"did not run|didn't run|does not run|not run|never ran", r"stopp?ed|stops|silen", r"missed (?:run|ping|job|report|period)", r"stop (?:report|send|work)", r"nicht (?:läuft|gelaufen|lief)", r"\bnightly", r"check.?in", r"\bgrace\b", r"dead.man", r"scheduled job", r"job (?:monitor|watch)",
        r"ausbleib", r"stumm|\bstill (?:aus|steh)", r"nächtlich", r"herzschlag", r"cesse", r"silencieu", r"n['\u2019]arrive plus", r"ne tourne", r"deja de|dejan de", r"silencio", r"latido", r"no se ejecut",
    ),
    hints=(r"\balerts?\b|monitor|uptime", r"überwach|alarm", r"alerte", r"alerta|monitor"),
    fields=_FIELDS,
    tagline="{label}: hear about it when one stays silent",
    features=("An address for each that takes pings by GET or POST, with an optional duration", "An alert by mail and webhook when a ping is overdue, and one when it is back"),
    alert="late",
    prices=(9, 19, 49),
    slots=sections("heartbeat"),
    defects=_DEFECTS,
    criteria=_criteria,
)  # fmt: skip
