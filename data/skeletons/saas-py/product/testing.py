"""The settings under test: test mode on, requests not logged."""

import os

os.environ |= {"PRODUCT_TEST": "1", "PRODUCT_LOG": "ERROR"}

from product.settings import *  # noqa: F403
