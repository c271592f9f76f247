"""Addresses of the models' door, as both protocols name them."""

from django.urls import path, re_path

from agents.gateway.door import views
from agents.gateway.door.protocols import DOORS

urlpatterns = [
    *(
        path(protocol.path.removeprefix("/"), views.door(protocol), name=f"door-{protocol.name}")
        for protocol in DOORS
    ),
    path("v1/models", views.models, name="door-models"),
    path("v1/models/<path:name>", views.models, name="door-model"),
    re_path(r"^v1/", views.nothing),
]
