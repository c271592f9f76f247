"""Under pytest the product runs in test mode, as under `manage.py test`."""

import os

os.environ.setdefault("PRODUCT_TEST", "1")
