"""Every address of the product: the house's own, then those of the domain."""

from django.urls import include, path

from house import doors, pages, people
from product.domain import APPS

urlpatterns = [
    path("", pages.home),
    path("house.css", pages.stylesheet),
    path("privacy/", pages.privacy),
    path("terms/", pages.terms),
    path("support/", pages.support),
    path("signup/", people.sign_up),
    path("login/", people.log_in),
    path("logout/", people.log_out),
    path("plans/", people.plans),
    path("plans/pay/", people.pay),
    path("notices/", people.notices),
    path("health", doors.health),
    path("version", doors.version),
    path("internal/tick", doors.tick),
    path("internal/events", doors.events),
    *[path("", include(f"{app}.urls")) for app in APPS],
]
