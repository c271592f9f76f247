"""Celery, which carries wake-up calls between processes and hosts; the truth stays in the database."""

from celery import Celery

app = Celery("factory")
app.config_from_object("django.conf:settings", namespace="CELERY")
