"""Ideas: what was found, how it scores, what nobody knows yet; and where the owner gives signals or an idea."""

import tempfile
from pathlib import Path

from django.core.files.uploadedfile import UploadedFile
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from core.errors import FactoryError
from core.models import User
from factory.console.forms import FILE_LIMIT_BYTES, IdeaForm, SignalsForm
from factory.console.views.frame import SEE_OTHER, Page, go_to, require_role, show
from factory.pipeline.services import scan_file, start_from_idea
from portfolio.models import Opportunity, Scan
from portfolio.rules.scoring import WEIGHTS

SPARE_BYTES = 64 * 1024
"""What the rest of a form may add to a file."""
GROUPS = {
    "scored": ("Scored", ("scored", "validating", "passed", "approved", "failed", "declined")),
    "thin": ("Too thin to score", ("found", "thin")),
    "out": ("Excluded or duplicate", ("excluded", "duplicate")),
}


@never_cache
@require_safe
def ideas(request: HttpRequest) -> HttpResponse:
    """Show all ideas of one kind, and what was kept out of the last file."""
    chosen = request.GET.get("kind", "scored")
    if chosen not in GROUPS:
        chosen = "scored"
    standing = Opportunity.objects.standing()
    counts = dict(standing.order_by().values_list("state").annotate(Count("pk")))
    listed = standing.filter(state__in=GROUPS[chosen][1]).select_related("product", "original")
    listed = listed.annotate(voices=Count("evidence", filter=Q(evidence__counts=True)))
    page = {
        "ideas": sorted(listed, key=lambda idea: (-(idea.points or idea.high or 0), idea.rank, idea.name)),
        "chosen": chosen,
        "groups": [
            (name, words, sum(counts.get(state, 0) for state in states))
            for name, (words, states) in GROUPS.items()
        ],
        "scan": Scan.objects.order_by("-number").first(),
    }
    return show(request, "console/ideas.html", page, place="ideas")


@never_cache
@require_safe
def idea(request: HttpRequest, name: str) -> HttpResponse:
    """Show one idea: its parts, what is not known, and why each signal is in."""
    found = Opportunity.objects.filter(name=name).select_related("product", "original", "merged_into").first()
    if found is None:
        raise Http404
    evidence = list(found.evidence.select_related("signal").order_by("-counts", "-similarity", "place"))
    titles = {row.signal.ref: row.signal.title for row in evidence}
    known = [part for part in found.parts if part["value"] is not None]
    page = {
        "idea": found,
        "parts_known": known,
        "sum_points": sum(part["value"] * part["weight"] for part in known),
        "sum_weight": sum(part["weight"] for part in known),
        "parts_unknown": [part for part in found.parts if part["value"] is None],
        "evidence": [(row, [titles[ref] for ref, _ in row.nearest if ref in titles]) for row in evidence],
        "test": found.tests.order_by("-at").first(),
        "full_weight": sum(WEIGHTS.values()),
    }
    return show(request, "console/idea.html", page, place="ideas")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def give(request: HttpRequest) -> HttpResponse:
    """Take a file of signals or an idea from the owner."""
    if request.method != "POST":
        return _show_give(request)
    require_role(request, User.Role.OWNER)
    if int(request.META.get("CONTENT_LENGTH") or 0) > FILE_LIMIT_BYTES + SPARE_BYTES:
        return _show_give(request, refused="This file is larger than 50 MB.", status=413)
    try:
        return _read_file(request) if request.POST.get("what") == "file" else _take_idea(request)
    except FactoryError as refusal:
        return _show_give(request, refused=refusal.sentence, status=refusal.http_status)


def _take_idea(request: HttpRequest) -> HttpResponse:
    form = IdeaForm(request.POST)
    if not form.is_valid():
        return _show_give(request, refused="Write the idea in a sentence or two.", status=400)
    product = start_from_idea(form.cleaned_data["text"])
    answer = redirect("venture", product.slug)
    answer.status_code = SEE_OTHER
    return answer


def _read_file(request: HttpRequest) -> HttpResponse:
    form = SignalsForm(request.POST, request.FILES)
    if not form.is_valid():
        return _show_give(request, refused="Choose a file with at least one line.", status=400)
    scan = _scan(form.cleaned_data["signals"])
    said = (
        f"{scan.signals_read} signals read, {scan.signals_new} new, {len(scan.quarantined)} lines kept out."
    )
    return go_to(request, "ideas", say=said)


def _scan(file: "UploadedFile[bytes]") -> Scan:
    """Hand the file on under its own name; the copy is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(file.name or "signals.jsonl").name
        with path.open("wb") as copy:
            for chunk in file.chunks():
                copy.write(chunk)
        return scan_file(path)


def _show_give(request: HttpRequest, *, refused: str = "", status: int = 200) -> HttpResponse:
    page: Page = {"refused": refused, "text": request.POST.get("text", "") if status != 413 else ""}
    return show(request, "console/give.html", page, place="ideas", status=status)
