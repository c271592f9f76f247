"""The factory as an ASGI application, pages and sockets: `uvicorn factory.asgi:application`."""

import gc
import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factory.settings")
pages = get_asgi_application()  # apps are ready from here on

from factory.console.consumers import socket_urls  # noqa: E402

application = ProtocolTypeRouter(
    {"http": pages, "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(socket_urls)))}
)

# What stands now stands until the end: the collector need not walk through all of it in the middle of a request.
get_resolver().url_patterns  # noqa: B018 (imports the pages)
gc.collect()
gc.freeze()
gc.set_threshold(10_000, 20, 50)
