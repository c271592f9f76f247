"""The factory as an ASGI application: `uvicorn factory.asgi:application`."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factory.settings")
application = get_asgi_application()
