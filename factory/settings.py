"""Every setting of the factory, with its default: `FACTORY_*` in the environment or in `.env`, `_FILE` for secrets."""

import os
import re
import resource
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from csp.constants import NONE, SELF
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.adapters.database import database
from core.adapters.homes import is_opened
from core.adapters.logs import json_lines
from core.adapters.secret_file import kept_secret

BASE_DIR = Path(__file__).resolve().parent.parent


class Env(BaseSettings):
    """What may be set from outside; an unknown or unreadable name stops the start."""

    model_config = SettingsConfigDict(
        env_prefix="FACTORY_", env_file=BASE_DIR / ".env", extra="forbid", hide_input_in_errors=True
    )

    mode: Literal["auto", "rehearsal", "real"] = Field(
        "auto", description="auto: a rehearsal until a model key works, then real, each in a home of its own"
    )
    home: Path | None = Field(
        default=None, description="where database, files, repositories and products stand"
    )
    rehearsal_home: Path | None = Field(
        default=None,
        description="home of a rehearsal whose people and settings come along into a real factory",
    )
    shared: Path = Field(
        BASE_DIR / "var" / "shared",
        description="product environments and the text model, shared by all modes",
    )
    host: str = Field(default="127.0.0.1", description="address the pages are served on")
    port: int = Field(default=8000, ge=1, le=65535, description="port the pages are served on")
    product_ports: str = Field(
        "8100-8199", pattern=r"^\d+-\d+$", description="ports products may be served on"
    )
    allowed_hosts: str = Field(
        "localhost,127.0.0.1,[::1]", description="host names of the pages, with commas"
    )
    https: bool = Field(default=False, description="true behind a TLS proxy: secure cookies, HSTS, redirect")
    secret_key: SecretStr | None = Field(default=None, description="made and kept in home when not given")
    box_key: SecretStr | None = Field(
        default=None, description="opens stored model keys; made and kept in home when not given"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    rehearsal_seed: str = Field(default="3", description="seed of the rehearsal's dice")
    worker_threads: int = Field(default=3, ge=1, le=32, description="tasks one worker carries out at once")
    lease_s: float = Field(
        default=90, ge=6, description="seconds without a beat after which a task is taken back"
    )
    database_url: SecretStr = Field(
        SecretStr(""), description="postgres://user:password@host:port/name; empty: SQLite in home"
    )
    redis_url: SecretStr = Field(
        SecretStr(""), description="redis://:password@host:port/0; empty: everything in one process"
    )

    langfuse_url: str = Field(
        "",
        pattern=r"^(https?://[^\s@]+)?$",
        description="a Langfuse that is told of every trace; empty: none",
    )
    langfuse_public_key: SecretStr = Field(SecretStr(""), description="there: pk-lf-…")
    langfuse_secret_key: SecretStr = Field(SecretStr(""), description="there: sk-lf-…")

    node_key: SecretStr = Field(
        SecretStr(""), description="on a host of the gpu queue: its key, from `factory node admit`"
    )
    node_url: str = Field(
        "", pattern=r"^(https?://\S+)?$", description="there: where the factory's pages are"
    )

    watch_webhook: SecretStr = Field(
        SecretStr(""),
        description="https address at which `factory watch` tells what is wrong, as a chat takes it",
    )

    @field_validator("watch_webhook")
    @classmethod
    def _is_web(cls, url: SecretStr) -> SecretStr:
        if not re.fullmatch(
            r"(https://|http://(localhost|127\.0\.0\.1|\[::1\])[:/])\S+|", url.get_secret_value()
        ):
            raise ValueError("write https://...")
        return url

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, url: SecretStr) -> SecretStr:
        database(url.get_secret_value(), home=Path())
        return url

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, url: SecretStr) -> SecretStr:
        if url.get_secret_value() and not url.get_secret_value().startswith(
            ("redis://", "rediss://", "unix://")
        ):
            raise ValueError("write redis://:password@host:port/0")
        return url


def read_env() -> Env:
    """Read the settings, or stop with a sentence that says what to write."""
    known = {f"FACTORY_{name.upper()}" for name in Env.model_fields}
    for name in [name for name in os.environ if name.startswith("FACTORY_") and name.endswith("_FILE")]:
        os.environ[name.removesuffix("_FILE")] = Path(os.environ.pop(name)).read_text().strip()
    if strange := {name for name in os.environ if name.startswith("FACTORY_")} - known:
        near = {name: get_close_matches(name, known, n=1) for name in sorted(strange)}
        said = ", ".join(f"{name} (is {like[0]} meant?)" if like else name for name, like in near.items())
        sys.exit(f"Unknown setting {said}. All that are known stand in deploy/factory.env.example.")
    try:
        return Env()
    except ValidationError as error:
        said = "; ".join(
            f"FACTORY_{'_'.join(str(p) for p in e['loc']).upper()}: {e['msg']}" for e in error.errors()
        )
        sys.exit(f"A setting cannot be used. {said}.")


ENV = read_env()
# Keys are in our memory from here on: whoever dies leaves it on no disk.
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
MAKERS = (
    "anthropic", "openai", "gemini", "cerebras", "deepseek", "groq", "mistral", "openrouter", "xai",
)  # fmt: skip
MODEL_KEYS = {
    maker: key for maker in MAKERS if (key := os.environ.get(f"{maker.upper()}_API_KEY", "").strip())
}
"""Keys from the environment, e.g. ANTHROPIC_API_KEY: they win over stored ones and are never stored."""
MODEL_ADDRESSES = {
    maker: url.rstrip("/").removesuffix("/v1")
    for maker in MAKERS
    if (url := os.environ.get(f"{maker.upper()}_BASE_URL", "").strip())
}
"""Addresses from the environment, e.g. ANTHROPIC_BASE_URL of a proxy: they win over those of the price table."""

IS_AUTO = ENV.mode == "auto" and not ENV.database_url.get_secret_value()
"""A database has one mode for ever, so on a server's database the mode is said, or told by the keys at the start."""
REHEARSAL_HOME = ENV.rehearsal_home or (ENV.home or BASE_DIR / "var" / "rehearsal" if IS_AUTO else None)
"""Where people and settings of the rehearsal come from; None: there is none."""
REAL_HOME = (ENV.home / "real" if ENV.home else BASE_DIR / "var" / "real").resolve() if IS_AUTO else None
"""Where the real factory stands, opened by its first key; None: the mode of this home is fixed."""
IS_REAL = ENV.mode == "real" or (
    ENV.mode == "auto" and bool(MODEL_KEYS or (REAL_HOME and is_opened(REAL_HOME)))
)
MODE = "real" if IS_REAL else "rehearsal"
HOME = (IS_REAL and REAL_HOME) or (ENV.home or BASE_DIR / "var" / MODE).resolve()
BLOBS_DIR, REPOS_DIR, PRODUCTS_DIR, WORK_DIR = (
    HOME / "blobs",
    HOME / "repos",
    HOME / "products",
    HOME / "work",
)
SHARED_DIR = ENV.shared.resolve()
DATA_DIR = BASE_DIR / "data"
REHEARSAL_SEED = ENV.rehearsal_seed
WORKER_THREADS = ENV.worker_threads
LEASE_S = ENV.lease_s
FACTORY_HOST, FACTORY_PORT = ENV.host, ENV.port
PRODUCT_PORTS = range(int(ENV.product_ports.split("-")[0]), int(ENV.product_ports.split("-")[1]) + 1)


def secret_of_this_home() -> str:
    """Return the secret kept in this home, or stop with a sentence that says why it cannot be used."""
    try:
        return kept_secret(HOME / "secret_key")
    except OSError as error:
        sys.exit(f"FACTORY_HOME {HOME} cannot be used: {error.strerror}. Mend that, or name another folder.")


SECRET_KEY = ENV.secret_key.get_secret_value() if ENV.secret_key else secret_of_this_home()
BOX_KEY = ENV.box_key.get_secret_value() if ENV.box_key else ""
DEBUG = False
ALLOWED_HOSTS = [host.strip() for host in ENV.allowed_hosts.split(",")]
ROOT_URLCONF = "factory.urls"
ASGI_APPLICATION = "factory.asgi.application"
AUTH_USER_MODEL = "core.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ, TIME_ZONE, LANGUAGE_CODE, USE_I18N = True, "UTC", "en", False
LOGIN_URL, LOGIN_REDIRECT_URL, LOGOUT_REDIRECT_URL = "login", "home", "login"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

INSTALLED_APPS = [
    "core.apps.OpsConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "template_partials",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "core",
    "approvals",
    "billing",
    "agents.roster",
    "agents.gateway",
    "agents.runtime",
    "portfolio",
    "factory.work",
    "factory.repo",
    "factory.quality",
    "factory.delivery",
    "factory.insight",
    "factory.pipeline",
    "factory.console",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "core.middleware.log_requests",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
NODE_KEY, NODE_URL = ENV.node_key.get_secret_value(), ENV.node_url
if NODE_KEY and ENV.database_url.get_secret_value():
    sys.exit("A node has no database: leave FACTORY_DATABASE_URL out where FACTORY_NODE_KEY is set.")
if NODE_KEY and not NODE_URL:
    sys.exit(
        "FACTORY_NODE_KEY needs FACTORY_NODE_URL: write where the factory's pages are, e.g. https://factory.lan."
    )
if NODE_URL.startswith("http://") and not re.match(
    r"http://(localhost|127\.0\.0\.1|\[::1\])(:|/|$)", NODE_URL
):
    sys.exit(
        "FACTORY_NODE_URL must begin with https://: over plain HTTP a node's key could be read on the way."
    )
DATABASES: dict[str, dict[str, Any]] = {
    "default": {} if NODE_KEY else database(ENV.database_url.get_secret_value(), home=HOME),
}
LANGFUSE_URL = ENV.langfuse_url
LANGFUSE_PUBLIC_KEY = ENV.langfuse_public_key.get_secret_value()
LANGFUSE_SECRET_KEY = ENV.langfuse_secret_key.get_secret_value()
if LANGFUSE_URL and not (LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY):
    sys.exit("FACTORY_LANGFUSE_URL needs FACTORY_LANGFUSE_PUBLIC_KEY and FACTORY_LANGFUSE_SECRET_KEY.")
REDIS_URL = ENV.redis_url.get_secret_value()
WATCH_WEBHOOK = ENV.watch_webhook.get_secret_value()
IS_FULL = bool(REDIS_URL and ENV.database_url.get_secret_value())
"""Web, workers and beat are processes of their own; otherwise one process does all."""

CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "factory"},
    }
    if IS_FULL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"},
}

# Celery carries wake-up calls. A message is acknowledged when it is taken: a lost one costs the time until the next
# look at the database, a doubled one a look that finds nothing; nothing waits for a visibility timeout.
CELERY_BROKER_URL = REDIS_URL or "memory://"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, int | bool | str] = {
    "visibility_timeout": 60,
    "socket_timeout": 10,
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 10,
}
if NODE_KEY:  # its broker user may touch nothing but what belongs to its queue
    CELERY_BROKER_TRANSPORT_OPTIONS |= {
        "visibility_timeout": 7_200,
        "unacked_key": "gpu.unacked",
        "unacked_index_key": "gpu.unacked_index",
        "unacked_mutex_key": "gpu.unacked_mutex",
    }
CELERY_IMPORTS = ("core.tasks",)
CELERY_BEAT_SCHEDULER = "core.adapters.broker:Beat"
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
CELERY_BEAT_SCHEDULE = {
    "tick": {"task": "core.tick", "schedule": 1.0, "options": {"queue": "control", "expires": 10}},
    "seen": {"task": "core.beat_seen", "schedule": 20.0, "options": {"queue": "control", "expires": 60}},
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_DEFAULT_QUEUE = "control"
CELERY_WORKER_CONCURRENCY = ENV.worker_threads
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_DB_REUSE_MAX = 1_000_000
"""Without it a worker opens a connection for every message; ours asks whether a connection lives before it uses it."""

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = ENV.https
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENV.https else None
SECURE_HSTS_SECONDS = 31_536_000 if ENV.https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = ENV.https
SESSION_COOKIE_HTTPONLY, SESSION_COOKIE_SAMESITE = True, "Lax"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    },
}

API_CALLS_PER_MINUTE = 120
REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "core.api.schema.Schema"}
API_AUTHENTICATION = [
    "core.api.callers.DeviceAuthentication",
    "factory.work.api.nodes.NodeAuthentication",
    "agents.roster.api.AttemptAuthentication",
    "core.api.callers.SignedIn",
]
SPECTACULAR_SETTINGS = {
    "TITLE": "Agentic Factory",
    "VERSION": "1",
    "DESCRIPTION": "Read everything, and do what a role may do. Identity comes from the token alone.",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["core.api.schema.add_parts"],
}

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": json_lines()},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "json"},
        "file": {"()": "core.adapters.logs.DailyFile", "folder": str(HOME / "logs"), "formatter": "json"},
    },
    "root": {"handlers": ["stderr", "file"], "level": ENV.log_level},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
    },
}
