"""Every address of the factory."""

from django.contrib import admin
from django.urls import include, path, re_path

import agents.gateway.api
import agents.roster.api
import agents.runtime.api
import approvals.api
import billing.api
import core.api.doors
import factory.console.api
import factory.delivery.api
import factory.insight.api
import factory.pipeline.api
import factory.quality.api
import factory.repo.api
import factory.work.api.doors
import factory.work.api.nodes
import portfolio.api
from core.api.routes import NoSuchDoor, addresses
from core.api.views import SchemaView, docs

API = (
    core.api.doors.DOORS,
    approvals.api.DOORS,
    billing.api.DOORS,
    agents.roster.api.DOORS,
    agents.gateway.api.DOORS,
    agents.runtime.api.DOORS,
    portfolio.api.DOORS,
    factory.work.api.doors.DOORS,
    factory.work.api.nodes.DOORS,
    factory.repo.api.DOORS,
    factory.quality.api.DOORS,
    factory.delivery.api.DOORS,
    factory.insight.api.DOORS,
    factory.pipeline.api.DOORS,
    factory.console.api.DOORS,
)

urlpatterns = [
    path("ops/", admin.site.urls),
    path("api/v1/", include(addresses(API))),
    path("api/v1/schema/", SchemaView.as_view(), name="api-schema"),
    path("api/v1/docs/", docs, name="api-docs"),
    re_path(r"^api/", NoSuchDoor.as_view()),
    path("", include("agents.gateway.door.urls")),
    path("", include("billing.urls")),
    path("", include("factory.pipeline.urls")),
    path("", include("factory.insight.urls")),
    path("", include("factory.console.urls")),
]
handler403 = "factory.console.views.failures.forbidden"
handler404 = "factory.console.views.failures.not_found"
handler500 = "factory.console.views.failures.broken"
