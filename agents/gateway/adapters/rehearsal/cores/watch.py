"""Watch: fetch, compare what matters, alert."""

from .criteria import criterion, shared, step, tick
from .frame import SHARED_DEFECTS
from .product import Core, Defect, Field, Json, Product
from .text import sections

_FIELDS = (
    Field("name", "text", {"en": "Name", "de": "Name", "fr": "Nom", "es": "Nombre"}, "First one"),
    Field("address", "url", {"en": "Address", "de": "Adresse", "fr": "Adresse", "es": "Dirección"}, "{site}/news"),
    Field("ignore", "text", {"en": "Words to ignore", "de": "Zu übergehen", "fr": "Mots à ignorer", "es": "Palabras que ignorar"}, "advert"),
)  # fmt: skip
_DEFECTS = (
    *SHARED_DEFECTS,
    Defect("numbers_are_noise", "rules.py", '    text = re.sub(r"\\d+", " ", text)\n', ""),
    Defect("ignored_words_forgotten", "rules.py", "for word in text.split() if word not in dropped)", "for word in text.split())"),
    Defect("error_page_counts", "rules.py", "    if status != 200:\n        return\n", ""),
    Defect("told_at_first_sight", "rules.py", "if old is not None and new != old:", 'old = old or ""\n    if new != old:'),
    Defect("private_address_taken", "forms.py", "if not fetch.may_fetch(address):", 'if not address.startswith("http"):'),
)  # fmt: skip


def _criteria(product: Product) -> list[Json]:
    at, sample, say = f"/{product.app}/", WATCH.sample(product), f"First one {product.phrases['changed']}"
    add, told = step("anna", "POST", at, form=sample), step("anna", "GET", "/notices/")
    first, second, third = (f"2030-01-07T{hour}:00:00+00:00" for hour in ("09", "10", "11"))

    def page(text: str, status: int = 200) -> Json:
        return step("site", "PUT", "/news", form={"text": text, "status": status})

    def after(new: Json) -> list[Json]:
        return [page("<p>Open 9 hours</p>"), add, tick(first), new, tick(second)]

    def adding(address: str) -> Json:
        return step("anna", "POST", at, form={**sample, "address": address})

    return [
        *shared(product, sample),
        criterion("private-address-is-refused", 1, [], adding("http://127.0.0.1:1/x"), status=400),
        criterion("first-look-is-quiet", 2, [page("one"), add, tick(first)], told, absent=say),
        criterion("news-is-told", 2, after(page("<p>Open 9 hours, closed on Sunday</p>")), told, text="sunday"),
        criterion("news-is-told-once", 2, [*after(page("closed")), tick(third)], told, text=say, times=1),
        criterion("numbers-do-not-count", 3, after(page("<p>Open 10 hours</p>")), told, absent=say),
        criterion("chosen-words-do-not-count", 3, after(page("<b>OPEN</b> 9   hours advert")), told, absent=say),
        criterion("error-pages-do-not-count", 3, after(page("out of order", 503)), told, absent=say),
    ]  # fmt: skip


WATCH = Core(
    kind="watch",
    cues=(
        r"page watch|watcher|watches\b|\bwatch\b", r"\bchang(?:e|es|ed)\b", r"new (?:posts|entries|listings|calls)", r"publishes", r"false (?:price )?alarms",
        r"änder", r"beobacht", r"neue (?:einträge|angebote|ausschreib)", r"surveill", r"change(?:ment)?\b", r"nouveaut", r"appels? d['\u2019]offres",
        r"cambi", r"novedad", r"vigil",
    ),
    hints=(r"website|web ?page|\bpages?\b", r"competitor|rival", r"webseite|seiten?\b|wettbewerb", r"concurrent", r"página|competidor"),
    fields=_FIELDS,
    tagline="{label}: hear about what matters when one changes",
    features=("A comparison at every look, and an alert with what is new", "Spaces, case, numbers, error pages and chosen words do not count"),
    alert="changed",
    prices=(9, 29, 49),
    slots=sections("watch"),
    defects=_DEFECTS,
    criteria=_criteria,
)  # fmt: skip
