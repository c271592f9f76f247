"""Heartbeat: something must report in time; silence is the alarm."""

from .criteria import criterion, shared, step, tick
from .frame import SHARED_DEFECTS
from .product import Core, Defect, Field, Json, Product

_FIELDS = (
    Field("name", "text", {"en": "Name", "de": "Name", "fr": "Nom", "es": "Nombre"}, "First one"),
    Field("period_minutes", "count", {"en": "Every (minutes)", "de": "Alle (Minuten)", "fr": "Toutes les (minutes)", "es": "Cada (minutos)"}, "60"),
    Field("grace_minutes", "count", {"en": "Grace (minutes)", "de": "Kulanz (Minuten)", "fr": "Tolérance (minutes)", "es": "Margen (minutos)"}, "30"),
)  # fmt: skip
_SLOTS = {
    "model_imports": "import secrets\nfrom datetime import timedelta",
    "models": '''

def new_token():
    """An address that nobody guesses."""
    return secrets.token_hex(16)

''',
    "columns_more": """
    token = models.CharField(max_length=32, unique=True, default=new_token, editable=False)
    last_ping_at = models.DateTimeField(null=True, editable=False)
    is_late = models.BooleanField(default=False, editable=False)""",
    "json_more": ' "is_late"',
    "methods": '''
    @property
    def late_at(self):
        """When silence becomes an alarm."""
        since = self.last_ping_at or self.created_at
        return since + timedelta(minutes=self.period_minutes + self.grace_minutes)
''',
    "rules": '''

def seconds(text):
    """A duration in whole seconds, or None when `text` names none."""
    return int(text) if text.isdecimal() and len(text) < 8 else None


def take_ping(item, duration):
    """Note that `item` has reported; tell its owner when it had been late."""
    was_late = item.is_late
    item.last_ping_at = clock.now()
    item.is_late = False
    item.save(update_fields=["last_ping_at", "is_late"])
    note(item, "$say_reported" if duration is None else f"$say_reported ({duration} s)")
    if was_late:
        Notice.send(item.owner, subject=f"{item.name} $say_back", text="$label")


@every_tick
def find_late():
    """Tell owners once what should have reported and has not."""
    now = clock.now()
    for item in $Entity.objects.filter(is_late=False).select_related("owner"):
        if now > item.late_at and $Entity.objects.filter(pk=item.pk, is_late=False).update(is_late=True):
            note(item, "$say_late")
            Notice.send(item.owner, subject=f"{item.name} $say_late", text="$label")
''',
    "api_imports": "from django.shortcuts import get_object_or_404\nfrom django.views.decorators.csrf import csrf_exempt",
    "api_views": '''

@csrf_exempt
def ping(request, token):
    """It has reported, by GET or POST, perhaps with how long it took."""
    duration = request.POST.get("duration") or request.GET.get("duration", "")
    rules.take_ping(get_object_or_404($Entity, token=token), rules.seconds(duration))
    return JsonResponse({"ok": True})
''',
    "api_urls": '\n    path("ping/<str:token>", ping),',
    "row": "{% if item.is_late %}<b>$say_late</b> {% endif %}<code>/ping/{{ item.token }}</code> ",
    "rule_tests": '''
    def test_silence_becomes_an_alarm_later(self):
        now = datetime(2030, 1, 7, tzinfo=UTC)

        self.assertGreater($Entity(created_at=now, period_minutes=60, grace_minutes=30).late_at, now)

    def test_a_duration_is_a_number(self):
        self.assertEqual([rules.seconds("12"), rules.seconds("long"), rules.seconds("")], [12, None, None])
''',
    "api_tests": '''
    def test_a_ping_is_taken(self):
        self.client.post("/api/$app/", SAMPLE, content_type="application/json")

        self.assertEqual(self.client.get(f"/ping/{$Entity.objects.get().token}").status_code, 200)
''',
}  # fmt: skip
_DEFECTS = (
    *SHARED_DEFECTS,
    Defect("grace_ignored", "models.py", "timedelta(minutes=self.period_minutes + self.grace_minutes)", "timedelta(minutes=self.period_minutes)"),
    Defect("naive_time", "rules.py", "    now = clock.now()\n    for", "    now = clock.now().replace(tzinfo=None)\n    for"),
    Defect("never_late_again", "rules.py", "    item.is_late = False\n", ""),
    Defect("duration_lost", "api.py", 'request.POST.get("duration") or request.GET.get("duration", "")', 'request.GET.get("duration", "")'),
)  # fmt: skip


def _criteria(product: Product) -> list[Json]:
    at, sample, say = f"/{product.app}/", HEARTBEAT.sample(product), product.phrases
    add = step("anna", "POST", at, form=sample)
    address = step("anna", "GET", at, keep=r"(/ping/[0-9a-f]+)")
    number = step("anna", "GET", at, keep=rf"{at}(\d+)/history")
    told = step("anna", "GET", "/notices/")
    early, late, later = (f"2030-01-07T{t}:00+00:00" for t in ("09:20", "09:40", "10:00"))
    next_day = "2030-01-08T10:00:00+00:00"
    timed = step("nobody", "POST", "{kept}", form={"duration": "12"})

    def ping(time: str) -> Json:
        return step("nobody", "GET", "{kept}", at=time)

    return [
        *shared(product, sample),
        criterion("unknown-ping-is-refused", 2, [], step("nobody", "GET", "/ping/0000"), status=404),
        criterion("duration-is-kept", 2, [add, address, timed, number], step("anna", "GET", at + "{kept}/history"), text="(12 s)"),
        criterion("quiet-within-grace", 3, [add, address, tick(early)], told, absent=say["late"]),
        criterion("told-once-when-late", 3, [add, tick(late), tick(later)], told, text=f"First one {say['late']}", times=1),
        criterion("ping-puts-off-the-alarm", 3, [add, address, ping(early), tick(late)], told, absent=say["late"]),
        criterion("told-when-back", 3, [add, address, tick(late), ping(later)], told, text=f"First one {say['back']}"),
        criterion("told-again-next-time", 3, [add, address, tick(late), ping(later), tick(next_day)], told, text=f"First one {say['late']}", times=2),
    ]  # fmt: skip


HEARTBEAT = Core(
    kind="heartbeat",
    cues=(
        r"\bping", r"heartbeat", r"cron", r"did not run|didn't run|does not run|not run|never ran", r"stopp?ed|stops|silen", r"missed (?:run|ping|job|report|period)", r"stop (?:report|send|work)", r"uptime", r"nicht (?:läuft|gelaufen|lief)", r"\bnightly", r"check.?in", r"\bgrace\b", r"dead.man", r"scheduled job", r"job (?:monitor|watch)",
        r"ausbleib", r"stumm|still\b", r"nächtlich", r"herzschlag", r"cesse", r"silencieu", r"n['\u2019]arrive plus", r"ne tourne", r"deja de|dejan de", r"silencio", r"latido", r"no se ejecut",
    ),
    fields=_FIELDS,
    features=("An address for each that takes pings by GET or POST, with an optional duration", "An alert by mail and webhook when a ping is overdue, and one when it is back"),
    alert="late",
    prices=(9, 19, 49),
    slots=_SLOTS,
    defects=_DEFECTS,
    criteria=_criteria,
)  # fmt: skip
