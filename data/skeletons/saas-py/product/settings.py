"""All settings; what comes from outside is named PRODUCT_* and listed in README.md."""

import json
import os
import secrets
from pathlib import Path
from urllib.parse import unquote, urlsplit

from product.domain import APPS

BASE_DIR = Path(__file__).resolve().parent.parent
TEST = os.environ.get("PRODUCT_TEST") == "1"
LOG_LEVEL = os.environ.get("PRODUCT_LOG", "INFO")
HTTPS = os.environ.get("PRODUCT_HTTPS") == "1"


def _secret(name: str) -> str:
    """The secret from outside; without one, a new one that nobody knows."""
    return os.environ.get(name) or ("only-for-tests" if TEST else secrets.token_urlsafe(32))


SECRET_KEY = _secret("PRODUCT_SECRET_KEY")
TICK_KEY = _secret("PRODUCT_TICK_KEY")
PROOF_KEY = _secret("PRODUCT_PROOF_KEY")
VERSION = "1"
RELEASE = os.environ.get("PRODUCT_RELEASE", "dev")
FETCH_TIMEOUT_S = 10
ALLOWED_FETCH = os.environ.get("PRODUCT_ALLOWED_FETCH", "")
COPY = json.loads((BASE_DIR / "product" / "copy.json").read_text("utf-8"))
PLANS = json.loads((BASE_DIR / "product" / "plans.json").read_text("utf-8"))
NAME = os.environ.get("PRODUCT_NAME") or COPY["name"]
SUPPORT_MAIL = os.environ.get("PRODUCT_SUPPORT_MAIL", "support@localhost")

DEBUG = False
ALLOWED_HOSTS = ["*"]  # the proxy in front chooses the names; no link is ever built from the Host header
ROOT_URLCONF = "product.urls"
INSTALLED_APPS = [  # the domain first: at a tick the house then delivers what the domain has just said
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    *APPS,
    "house",
]
MIDDLEWARE = [
    "house.logs.RequestLog",
    "django.middleware.security.SecurityMiddleware",
    "house.headers.ContentPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "house.clock.TestClock",
    "house.once.OnceOnly",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "house.pages.shared",
            ]
        },
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("PRODUCT_DB", str(BASE_DIR / "db.sqlite3")),
        "OPTIONS": {
            "timeout": 10,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL",
        },
    }
}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ, TIME_ZONE, LANGUAGE_CODE = True, "UTC", "en"

_HASHERS = "django.contrib.auth.hashers."
PASSWORD_HASHERS = [_HASHERS + ("MD5PasswordHasher" if TEST else "ScryptPasswordHasher")]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = COPY["nav"][0]["path"] if COPY["nav"] else "/"
SIGNUPS_PER_HOUR = 10_000 if TEST else 100  # per address; a test signs up many people from one place

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
X_FRAME_OPTIONS = "DENY"

_smtp = urlsplit(os.environ.get("PRODUCT_SMTP", ""))
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if _smtp.hostname else 'dummy'}.EmailBackend"
EMAIL_HOST, EMAIL_PORT = _smtp.hostname or "", _smtp.port or 587
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_smtp.username or ""), unquote(_smtp.password or "")
EMAIL_USE_TLS = bool(EMAIL_HOST_USER)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SUPPORT_MAIL

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "house.logs.JsonLine"}},
    "handlers": {
        "out": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stdout"},
        "none": {"class": "logging.NullHandler"},
    },
    "root": {"handlers": ["out"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        "django.request": {"level": "ERROR"},  # refusals are in the line of their request
        "django.security": {"level": "ERROR"},
        "uvicorn": {"handlers": [], "propagate": True},
        "uvicorn.error": {"handlers": [], "propagate": True},
        "uvicorn.access": {"handlers": [], "propagate": False},  # it writes addresses and queries
    },
}
