"""Celery's tasks, all of them: they only wake, and carry names, never work."""
