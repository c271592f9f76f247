"""Celery's entrance: `celery -A celery_app worker -Q cloud,build,control,notify`, `celery -A celery_app beat`."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factory.settings")

from core.adapters.broker import app

__all__ = ["app"]
