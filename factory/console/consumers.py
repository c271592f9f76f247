"""Open pages: a socket tells them which of their topics have news; the news itself they fetch like any page."""

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.urls import path
from django.utils import timezone

from core.adapters.live import group_of, teller
from core.models import Installation
from factory.console.rules.waits import is_topic

BEAT_S: Final = 2.0
CHECK_BEATS: Final = 8
"""After so many beats we look whether the person is still signed in."""
MAX_TOPICS: Final = 16
NOT_SIGNED_IN: Final = 4401
BAD_TOPIC: Final = 4400


class Live(AsyncJsonWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    """One open page: it names its topics in the address, and hears of news and a beat while we live. Source: U-20."""

    groups: list[str] = []

    async def connect(self) -> None:
        """Let a signed-in person in and subscribe the topics; the origin was checked before."""
        topics = parse_qs(self.scope["query_string"].decode("ascii", "ignore")).get("t", [])
        if not await self._is_signed_in():
            await self._refuse(NOT_SIGNED_IN)
        elif len(topics) > MAX_TOPICS or not all(is_topic(topic) for topic in topics):
            await self._refuse(BAD_TOPIC)
        else:
            await self._begin(topics)

    async def _refuse(self, code: int) -> None:
        """A socket must be open before it can say why it closes."""
        await self.accept()
        await self.close(code)

    async def _begin(self, topics: list[str]) -> None:
        teller.listen(asyncio.get_running_loop())
        self.clock = await _read_clock()
        self.groups = [group_of(topic) for topic in topics]
        for group in self.groups:
            await self.channel_layer.group_add(group, self.channel_name)
        await self.accept()
        self.pulse = asyncio.create_task(self._beat())

    async def disconnect(self, code: int) -> None:
        """Stop the beat; the groups are left by the machinery."""
        if hasattr(self, "pulse"):
            self.pulse.cancel()

    async def news(self, message: dict[str, Any]) -> None:
        """Pass on that a topic has news."""
        await self.send_json({"news": message["topic"]})

    async def _beat(self) -> None:
        beats = 0
        while True:
            if beats % CHECK_BEATS == CHECK_BEATS - 1:
                if not await self._is_signed_in():
                    await self.close(NOT_SIGNED_IN)
                    return
                self.clock = await _read_clock()
            await self.send_json({"at": _now_in_words(*self.clock)})
            beats += 1
            await asyncio.sleep(BEAT_S)

    async def _is_signed_in(self) -> bool:
        """The session's row decides, each time anew: who signed out elsewhere hears no more."""
        session = self.scope.get("session")
        if session is None or not await database_sync_to_async(session.exists)(session.session_key):
            return False
        return bool((await get_user(self.scope)).is_authenticated)


async def _read_clock() -> tuple[timedelta, ZoneInfo]:
    here: Installation = await database_sync_to_async(_the_installation)()
    return timedelta(milliseconds=here.clock_offset_ms), ZoneInfo(here.time_zone)


def _the_installation() -> Installation:
    return Installation.objects.first() or Installation()


def _now_in_words(ahead: timedelta, zone: ZoneInfo) -> str:
    moment: datetime = timezone.localtime(timezone.now() + ahead, zone)
    return f"{moment:%H:%M:%S}"


socket_urls = [path("live/", Live.as_asgi())]
