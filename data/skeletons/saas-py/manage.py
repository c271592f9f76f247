"""The product's command line."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    is_test = sys.argv[1:2] == ["test"]
    os.environ["DJANGO_SETTINGS_MODULE"] = "product.testing" if is_test else "product.settings"
    execute_from_command_line(sys.argv)
