"""Addresses of the pipeline."""

from django.urls import path

from factory.pipeline.views import wish_hook

urlpatterns = [path("hooks/<slug:name>/", wish_hook, name="wish_hook")]
