"""A worker process for tests: `python -m tests.factory.delivery.worker DATABASE HOME PORT`; it may be killed at any moment."""

import os
import sys
from pathlib import Path

import django
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factory.settings")


def main(database: str, home: Path, port: int) -> None:
    """Carry out the tasks that there are, then end."""
    settings.DATABASES["default"]["NAME"] = database
    settings.HOME, settings.BLOBS_DIR, settings.PRODUCTS_DIR = home, home / "blobs", home / "products"
    settings.PRODUCT_PORTS = range(port, port + 8)
    django.setup()
    from core.adapters.processes import worker_name  # noqa: PLC0415
    from core.registry import Stop  # noqa: PLC0415 (after the set-up)
    from factory.work.services import run_next  # noqa: PLC0415

    while run_next(worker=worker_name(0), stop=Stop()):
        pass


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
