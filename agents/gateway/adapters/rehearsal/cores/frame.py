"""The files of a product, by the part that writes them, as a careful coder would write them."""

import json
from string import Template

from .imports import tidy
from .product import PARTS, Core, Defect, Product

_COLUMNS = {
    "text": "models.CharField({label}, max_length=200{blank})",
    "url": "models.URLField({label}, max_length=500)",
    "date": "models.DateField({label})",
    "count": "models.PositiveIntegerField({label}, validators=[MinValueValidator(1), MaxValueValidator(100_000)])",
}
_SLOTS = (
    "model_imports", "models", "columns_more", "methods", "json_more", "form_imports", "clean", "rule_imports", "rules", "api_imports", "api_views", "api_urls",
    "page_imports", "page_views", "page_urls", "row", "rule_tests", "api_tests", "page_tests",
)  # fmt: skip
_CORE = {
    "$app/__init__.py": '"""$label."""\n',
    "$app/tests/__init__.py": '"""What $label promise."""\n',
    "$app/models.py": '''"""What is kept about $label, and who may see it."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from house import clock
$model_imports
$models
class ${Entity}Query(models.QuerySet):
    """Questions about $label."""

    def of(self, owner):
        """Those that `owner` may see."""
        return self.filter(owner=owner)


class $Entity(models.Model):
    """One of $label."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
$columns$columns_more
    created_at = models.DateTimeField(default=clock.now)

    objects = ${Entity}Query.as_manager()

    def __str__(self):
        return self.name

    def as_json(self):
        """What the API shows."""
        return {"id": self.pk, **{name: str(getattr(self, name)) for name in ($names,$json_more)}}
$methods

class Past(models.Model):
    """One thing that happened to one of $label."""

    item = models.ForeignKey($Entity, on_delete=models.CASCADE, related_name="past")
    at = models.DateTimeField(default=clock.now)
    what = models.CharField(max_length=200)

    def __str__(self):
        return self.what
''',
    "$app/forms.py": '''"""What a person may enter."""

from django import forms
$form_imports
from $app.models import $Entity


class ${Entity}Form(forms.ModelForm):
    """Adds one of $label."""

    class Meta:
        """The fields, in order."""

        model = $Entity
        fields = ($names,)
$clean''',
    "$app/rules.py": '''"""What is done with $label, and what time brings."""

from datetime import timedelta

from django.db import transaction
from house import clock, events, plans
from house.models import Notice
from house.tick import every_tick
from $app.forms import ${Entity}Form
from $app.models import $Entity, Past
$rule_imports

@transaction.atomic
def add(owner, data):
    """Add one for `owner`; gives the form and a status that says how it went."""
    form = ${Entity}Form(data)
    if not plans.room_for(owner, $Entity.objects.of(owner).count()):
        return form, 402
    if not form.is_valid():
        return form, 400
    form.instance.owner = owner
    note(form.save(), "$say_added")
    events.record("use", owner)
    return form, 201


def note(item, what):
    """Keep in the history of `item` what happened."""
    Past.objects.create(item=item, what=what)


def history(item):
    """What happened to `item`, newest first, as far back as its owner's plan goes."""
    since = clock.now() - timedelta(days=plans.plan_of(item.owner).history_days)
    return item.past.filter(at__gte=since).order_by("-at", "-id")
$rules''',
    "$app/urls.py": '''"""Addresses of $label."""

from $app import api, pages

urlpatterns = [*api.urlpatterns, *pages.urlpatterns]
''',
    "$app/api.py": '"""$label as JSON."""\n\nurlpatterns = []\n',
    "$app/pages.py": '"""Pages of $label."""\n\nurlpatterns = []\n',
    "$app/tests/test_rules.py": '''"""The rules of $label, without a database."""

from datetime import UTC, date, datetime

from django.test import SimpleTestCase
from $app import rules
from $app.models import $Entity


class RulesTest(SimpleTestCase):$rule_tests''',
}
_API = {
    "$app/api.py": '''"""$label as JSON."""

import json

from django.http import JsonResponse
from django.urls import path
$api_imports
from $app import rules
from $app.models import $Entity


def items(request):
    """The owner's own; POST adds one."""
    if not request.user.is_authenticated:
        return JsonResponse({"error": "log in first"}, status=401)
    if request.method == "POST":
        form, status = rules.add(request.user, _sent(request))
        return JsonResponse(form.instance.as_json() if status == 201 else {"errors": form.errors}, status=status)
    return JsonResponse({"items": [item.as_json() for item in $Entity.objects.of(request.user)]})


def _sent(request):
    """The object that was sent, or an empty one."""
    try:
        sent = json.loads(request.body)
    except ValueError:
        return {}
    return sent if isinstance(sent, dict) else {}
$api_views

urlpatterns = [
    path("api/$app/", items),$api_urls
]
''',
    "$app/tests/test_api.py": '''"""The API of $label."""

from django.contrib.auth.models import User
from django.test import TestCase

from $app.models import $Entity

SAMPLE = {$sample}


class ApiTest(TestCase):
    def setUp(self):
        self.client.force_login(User.objects.create_user("anna"))

    def test_the_api_adds(self):
        answer = self.client.post("/api/$app/", SAMPLE, content_type="application/json")

        self.assertEqual(answer.status_code, 201)
        self.assertEqual($Entity.objects.get().name, SAMPLE["name"])

    def test_nothing_is_not_added(self):
        answer = self.client.post("/api/$app/", [], content_type="application/json")

        self.assertEqual(answer.status_code, 400)
$api_tests''',
}
_PAGES = {
    "$app/pages.py": '''"""Pages of $label."""

from django.contrib.auth.decorators import login_required
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.http import require_POST
$page_imports
from $app import rules
from $app.forms import ${Entity}Form
from $app.models import $Entity


@login_required
def index(request):
    """The list, and the form that adds to it."""
    form, status = ${Entity}Form(), 200
    if request.method == "POST":
        form, status = rules.add(request.user, request.POST)
        if status == 201:
            return redirect("/$app/")
        if status == 402:
            return render(request, "house/limit.html", {"sentence": "$say_full"}, status=402)
    items = $Entity.objects.of(request.user).order_by("-id")
    return render(request, "$app/index.html", {"form": form, "items": items}, status=status)


@login_required
@require_POST
def delete(request, pk):
    """Remove one of the owner's own."""
    get_object_or_404($Entity.objects.of(request.user), pk=pk).delete()
    return redirect("/$app/")


@login_required
def history(request, pk):
    """What happened to one of the owner's own."""
    item = get_object_or_404($Entity.objects.of(request.user), pk=pk)
    return render(request, "$app/history.html", {"item": item, "past": rules.history(item)})
$page_views

urlpatterns = [
    path("$app/", index),
    path("$app/<int:pk>/delete", delete),
    path("$app/<int:pk>/history", history),$page_urls
]
''',
    "templates/$app/index.html": """{% extends "base.html" %}{% block title %}$label{% endblock %}{% block main %}
<h1>$label</h1>
<table>
<tr>$heads<th></th></tr>
{% for item in items %}<tr>
<td>{{ item.name }}</td>
$cells
<td>$row<a href="/$app/{{ item.pk }}/history">$say_history</a>
<form method="post" action="/$app/{{ item.pk }}/delete">{% csrf_token %}<button>&times;</button></form></td>
</tr>{% endfor %}
</table>
<form method="post" action="/$app/">{% csrf_token %}{{ form }}<button>$say_add</button></form>
{% endblock %}
""",
    "templates/$app/history.html": """{% extends "base.html" %}{% block title %}{{ item.name }}{% endblock %}{% block main %}
<h1>$say_history: {{ item.name }}</h1>
<ul>{% for one in past %}<li>{{ one.what }} <time>{{ one.at|date:'Y-m-d H:i' }}</time></li>{% empty %}<li>$say_none</li>{% endfor %}</ul>
<p><a href="/$app/">$label</a></p>
{% endblock %}
""",
    "$app/tests/test_pages.py": '''"""The pages of $label."""

from django.contrib.auth.models import User
from django.test import TestCase

from $app.models import $Entity

SAMPLE = {$sample}


class PagesTest(TestCase):
    def setUp(self):
        self.client.force_login(User.objects.create_user("anna"))

    def test_what_was_added_is_listed(self):
        self.client.post("/$app/", SAMPLE)

        self.assertContains(self.client.get("/$app/"), SAMPLE["name"])

    def test_it_has_a_history_and_can_be_deleted(self):
        self.client.post("/$app/", SAMPLE)
        at = f"/$app/{$Entity.objects.get().pk}"

        self.assertContains(self.client.get(f"{at}/history"), "$say_added")
        self.assertEqual(self.client.post(f"{at}/delete").status_code, 302)
        self.assertFalse($Entity.objects.exists())
$page_tests''',
}
_INTEGRATION = {
    "product/plans.json": "$plans\n",
    "product/copy.json": "$copy\n",
    "$app/tests/test_flow.py": '''"""$label from the page to the API, within the plan."""

from django.contrib.auth.models import User
from django.test import TestCase

SAMPLE = {$sample}


class FlowTest(TestCase):
    def setUp(self):
        self.client.force_login(User.objects.create_user("anna"))

    def test_what_the_page_adds_the_api_shows(self):
        self.client.post("/$app/", SAMPLE)

        self.assertContains(self.client.get("/api/$app/"), SAMPLE["name"])

    def test_the_home_page_says_what_it_is(self):
        self.assertContains(self.client.get("/"), "$label")
''',
}
_FILES = dict(zip(PARTS, (_CORE, _API, _PAGES, _INTEGRATION), strict=True))
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
    slots = {**dict.fromkeys(_SLOTS, ""), **core.slots}
    filled = {name: Template(text).safe_substitute(given) for name, text in slots.items()}
    return {
        part: {product.fill(path): tidy(product.fill(text, **given, **filled)) for path, text in _FILES[part].items()}
        for part in PARTS
    }


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
        "columns": "\n".join(f"    {name} = {_column(name, kind, label)}" for name, kind, label in product.fields),
        "heads": "".join(f"<th>{label}</th>" for _, _, label in product.fields), "cells": "".join(rest),
        "sample": ", ".join(f'"{name}": "{value}"' for name, value in sample.items()),
        "plans": _json([dict(zip(("plan", "usd_month", "limit", "history_days"), p, strict=True)) for p in product.plans]),
        "copy": _json(_copy(product)), **{f"say_{key}": text for key, text in product.phrases.items()},
    }  # fmt: skip


def _copy(product: Product) -> dict[str, object]:
    """What the home page says: nothing that is not promised."""
    return {
        "name": product.name, "language": product.language, "tagline": product.tagline, "sentence": ". ".join(product.features),
        "nav": [{"label": product.label, "path": f"/{product.app}/"}],
    }  # fmt: skip


def _json(data: object) -> str:
    return json.dumps(data, ensure_ascii=False, indent=2)


def _column(name: str, kind: str, label: str) -> str:
    return _COLUMNS[kind].format(label=json.dumps(label, ensure_ascii=False), blank="" if name == "name" else ", blank=True")
