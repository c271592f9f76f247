"""Addresses of insight."""

from django.urls import path

from factory.insight.views import metrics

urlpatterns = [path("metrics", metrics, name="metrics")]
