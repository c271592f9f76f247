"""The product's command line."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "product.settings")
    if sys.argv[1:2] == ["test"]:
        os.environ.setdefault("PRODUCT_TEST", "1")
    execute_from_command_line(sys.argv)
