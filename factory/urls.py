"""Every address of the factory."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("ops/", admin.site.urls),
    path("", include("billing.urls")),
    path("", include("factory.console.urls")),
]
handler403 = "factory.console.views.failures.forbidden"
handler404 = "factory.console.views.failures.not_found"
handler500 = "factory.console.views.failures.broken"
