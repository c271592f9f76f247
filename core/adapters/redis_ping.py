"""Whether Redis is there."""

from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

WAIT_S = 1.0


def answers() -> bool:
    """Say whether the broker answers within a second."""
    client = Redis.from_url(settings.REDIS_URL, socket_timeout=WAIT_S, socket_connect_timeout=WAIT_S)
    try:
        return bool(client.ping())
    except (RedisError, OSError):
        return False
    finally:
        client.close()
