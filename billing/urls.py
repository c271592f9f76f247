"""Addresses of billing."""

from django.urls import path

from billing.views import pay_hook

urlpatterns = [path("hooks/pay/", pay_hook, name="pay_hook")]
