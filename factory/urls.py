"""Every address of the factory."""

from django.contrib import admin
from django.urls import include, path, re_path

import agents.roster.api
import core.api.doors
from core.api.routes import NoSuchDoor, addresses
from core.api.views import SchemaView, docs

API = (core.api.doors.DOORS, agents.roster.api.DOORS)

urlpatterns = [
    path("ops/", admin.site.urls),
    path("api/v1/", include(addresses(API))),
    path("api/v1/schema/", SchemaView.as_view(), name="api-schema"),
    path("api/v1/docs/", docs, name="api-docs"),
    re_path(r"^api/", NoSuchDoor.as_view()),
    path("", include("billing.urls")),
    path("", include("factory.console.urls")),
]
handler403 = "factory.console.views.failures.forbidden"
handler404 = "factory.console.views.failures.not_found"
handler500 = "factory.console.views.failures.broken"
