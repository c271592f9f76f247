"""Every address of the factory."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("ops/", admin.site.urls),
    path("", include("billing.urls")),
    path("", include("factory.console.urls")),
]
