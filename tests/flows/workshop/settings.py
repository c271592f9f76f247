"""The factory's settings, with the workshop among its apps."""

from factory.settings import *  # noqa: F403
from factory.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.flows.workshop"]
