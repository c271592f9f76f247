"""Notices leave by mail and webhook, at least once and not for ever; the web is read with care."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.contrib.auth.models import User
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import TestCase, override_settings

from house import clock, fetch
from house.models import Delivery, Notice, Webhook
from house.tick import run_all


class Site(BaseHTTPRequestHandler):
    """A small web site: /hook keeps what is posted, /broken fails, /away sends elsewhere, /drip never ends."""

    posted: list[Any] = []

    def do_GET(self) -> None:
        while self.path == "/drip" and self._send(b"X"):
            time.sleep(0.05)
        if self.path != "/drip":
            self._answer(302 if self.path == "/away" else 200, b"<p>news</p>" + b"x" * 2_000_000)

    def do_POST(self) -> None:
        self.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._answer(500 if self.path == "/broken" else 204, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Location", "/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self._send(body)

    def _send(self, body: bytes) -> bool:
        try:
            self.wfile.write(body)
        except OSError:
            return False  # the reader has had enough
        return True

    def log_message(self, *_: Any) -> None:
        """Stay quiet."""


class SlowMail(EmailBackend):
    """So slow that the next tick begins meanwhile."""

    def send_messages(self, messages: Any) -> int:
        run_all()
        return super().send_messages(messages)


class NoMail(EmailBackend):
    """Its server is down."""

    def send_messages(self, messages: Any) -> int:
        raise ConnectionRefusedError


class SiteTest(TestCase):
    def setUp(self) -> None:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.site = f"http://127.0.0.1:{server.server_port}"
        allowed = override_settings(ALLOWED_FETCH=self.site)
        allowed.enable()
        self.addCleanup(allowed.disable)
        Site.posted.clear()
        self.anna = User.objects.create_user("anna@example.org", "anna@example.org")
        self.client.force_login(self.anna)


class DeliveryTest(SiteTest):
    def test_a_notice_is_kept_mailed_and_posted(self) -> None:
        self.client.post("/notices/", {"address": f"{self.site}/hook"})
        Notice.send(self.anna, subject="Door\nopen", text="since 8")

        run_all()

        self.assertContains(self.client.get("/notices/"), "Door open")
        self.assertEqual([letter.subject for letter in mail.outbox], ["Door open"])
        self.assertEqual([post["subject"] for post in Site.posted], ["Door open"])

    def test_a_failing_webhook_is_tried_again_but_not_for_ever(self) -> None:
        Webhook.objects.create(owner=self.anna, address=f"{self.site}/broken")
        Notice.send(self.anna, subject="Door open", text="since 8")

        run_all()
        run_all()
        tries_now = len(Site.posted)
        for _ in range(Delivery.MOST_TRIES + 2):
            Delivery.objects.update(due_at=clock.now())
            run_all()

        self.assertEqual((tries_now, len(Site.posted)), (1, Delivery.MOST_TRIES))
        self.assertEqual(len(mail.outbox), 1)

    def test_a_tick_during_a_tick_sends_nothing_twice(self) -> None:
        for subject in ("Door open", "Door shut"):
            Notice.send(self.anna, subject=subject, text="since 8")

        with override_settings(EMAIL_BACKEND=f"{__name__}.SlowMail"):
            run_all()

        self.assertEqual(sorted(letter.subject for letter in mail.outbox), ["Door open", "Door shut"])

    def test_mail_that_nobody_takes_is_tried_again_later(self) -> None:
        Notice.send(self.anna, subject="Door open", text="since 8")

        with override_settings(EMAIL_BACKEND=f"{__name__}.NoMail"), self.assertLogs("house.due", "WARNING"):
            run_all()
        Delivery.objects.update(due_at=clock.now())
        run_all()

        self.assertEqual(len(mail.outbox), 1)

    def test_one_try_is_claimed_once(self) -> None:
        Notice.send(self.anna, subject="Door open", text="since 8")
        first, second = Delivery.objects.get(), Delivery.objects.get()

        self.assertEqual([first.claim(), second.claim()], [True, False])

    def test_a_private_webhook_is_refused_and_an_empty_one_stops_it(self) -> None:
        Webhook.objects.create(owner=self.anna, address=f"{self.site}/hook")

        refused = self.client.post("/notices/", {"address": "http://169.254.169.254/latest"})
        self.client.post("/notices/", {"address": ""})

        self.assertContains(refused, "not a public web address", status_code=400)
        self.assertFalse(Webhook.objects.exists())

    def test_others_do_not_see_it(self) -> None:
        Notice.send(self.anna, subject="Door open", text="since 8")
        self.client.force_login(User.objects.create_user("bert"))

        self.assertNotContains(self.client.get("/notices/"), "Door open")

    def test_a_test_may_say_what_time_it_is(self) -> None:
        sign_up = {"email": "cleo@example.org", "password": "-".join(["quiet", "river", "42"])}
        self.client.post("/signup/", sign_up, headers={"X-Test-Now": "2030-01-07T08:00:00Z"})

        self.assertEqual(Notice.objects.get().created_at, datetime(2030, 1, 7, 8, tzinfo=UTC))
        self.assertLess(clock.now() - datetime.now(UTC), timedelta(minutes=1))

    def test_nobody_else_may(self) -> None:
        with override_settings(TEST=False):
            for_real = self.client.get("/", headers={"X-Test-Now": "nonsense"})
        in_tests = self.client.get("/", headers={"X-Test-Now": "nonsense"})

        self.assertEqual((for_real.status_code, in_tests.status_code), (200, 400))


class FetchTest(SiteTest):
    def test_a_page_is_read_up_to_a_megabyte(self) -> None:
        status, text = fetch.get(f"{self.site}/news")

        self.assertEqual((status, text[:11], len(text)), (200, "<p>news</p>", 1_000_000))

    def test_a_redirect_is_told_but_not_followed(self) -> None:
        self.assertEqual(fetch.get(f"{self.site}/away")[0], 302)

    def test_private_and_odd_addresses_are_refused(self) -> None:
        odd = (
            "http://127.0.0.1/",
            "http://localhost/",
            "http://10.0.0.1",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
        )
        odd += (
            "http://0x7f000001/",
            "ftp://93.184.216.34/",
            "file:///etc/passwd",
            "http://",
            "http://a:b@93.184.216.34/",
        )
        odd += (
            f"{self.site}.example.invalid/",
            f"{self.site}@93.184.216.34/",
            "http://93.184.216.34:x/",
            "",
            "http://[/",
        )
        for url in odd:
            with self.subTest(url=url):
                self.assertEqual(fetch.get(url), (0, "This is not a public web address."))

    @override_settings(ALLOWED_FETCH="http://127.0.0.1:80")
    def test_the_allowed_one_does_not_open_its_neighbour(self) -> None:
        self.assertTrue(fetch.may_fetch("http://127.0.0.1:80/a"))
        self.assertFalse(fetch.may_fetch("http://127.0.0.1:8080/a"))

    def test_public_ones_are_allowed(self) -> None:
        self.assertTrue(fetch.may_fetch("https://93.184.216.34/a?b=c"))

    def test_a_test_reaches_nobody_outside(self) -> None:
        self.assertEqual(fetch.get("http://93.184.216.34/"), (0, "A test reaches nobody outside."))

    @override_settings(FETCH_TIMEOUT_S=0.3)
    def test_one_who_drips_is_cut(self) -> None:
        self.assertEqual(fetch.get(f"{self.site}/drip")[0], 0)

    def test_silence_is_status_0(self) -> None:
        with override_settings(ALLOWED_FETCH="http://127.0.0.1:1"):
            self.assertEqual(fetch.get("http://127.0.0.1:1/")[0], 0)
