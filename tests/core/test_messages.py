"""Messages: rings reach other processes where there is a broker, and cost nothing where there is none."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
import redis
from django.conf import settings

from core.adapters import wake

needs_broker = pytest.mark.skipif(not settings.IS_FULL, reason="needs PostgreSQL and Redis: make test-full")


@pytest.fixture
def broker() -> Iterator["redis.Redis"]:
    """Give an empty broker, and leave it empty."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.flushdb()
    yield client
    client.flushdb()


def test_the_embedded_profile_rings_without_loading_celery() -> None:
    code = (
        "import sys, django; django.setup()\n"
        "from core.adapters import wake\n"
        "wake.ring('cloud')\n"
        "print('celery' in sys.modules or 'redis' in sys.modules, wake.rings())"
    )
    environment = {
        "DJANGO_SETTINGS_MODULE": "factory.settings", "FACTORY_HOME": str(settings.HOME), "FACTORY_MODE": "rehearsal",
    }  # fmt: skip

    said = subprocess.run(  # noqa: S603 (our own code)
        [sys.executable, "-c", code],
        env=environment,
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout.split() == ["False", "1"]


@needs_broker
def test_a_ring_is_a_message_in_the_queue_that_bears_its_name(broker: "redis.Redis") -> None:
    from core.adapters import messages  # noqa: PLC0415 (only where there is a broker)

    wake.ring("cloud", "relay", "gpu")

    assert messages.messenger.flush(at_most_s=30)
    assert all(broker.llen(name) >= 1 for name in ("cloud", "control", "gpu"))


@needs_broker
def test_a_thousand_rings_that_nobody_hears_are_a_few_messages(broker: "redis.Redis") -> None:
    from core.adapters import messages  # noqa: PLC0415 (only where there is a broker)

    for _ in range(1_000):
        wake.ring("cloud")
    for _ in range(20):
        wake.ring("cloud")
        messages.messenger.flush(at_most_s=30)

    assert 0 < broker.llen("cloud") <= messages.ENOUGH
