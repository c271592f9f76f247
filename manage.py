"""Django's command line: `python manage.py factory` lists the factory's own verbs."""

import gc
import os
import sys

import django
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factory.settings")
    gc.disable()  # nothing of what is loaded goes away again: looking for it takes a tenth of the start
    django.setup()
    gc.freeze()
    gc.enable()
    execute_from_command_line(sys.argv)
