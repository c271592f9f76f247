"""What machines ask of every product."""

import hmac
import json
import logging
from datetime import UTC, datetime

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, TestCase, override_settings

from house import events, tick
from house.logs import JsonLine
from house.models import Event, Notice

KEY = {"X-Tick-Key": "door-key"}


def boom() -> None:
    raise ValueError("anna@example.org")


class HealthTest(TestCase):
    @override_settings(PROOF_KEY="proof-key", RELEASE="r7")
    def test_health_proves_which_release_spoke(self) -> None:
        proof = hmac.new(b"proof-key", b"n1r7", "sha256").hexdigest()

        self.assertEqual(
            self.client.get("/health?nonce=n1").json(), {"ok": True, "release": "r7", "proof": proof}
        )
        self.assertEqual(self.client.get("/version").json(), {"version": "1", "release": "r7"})

    def test_without_its_tables_it_is_not_healthy(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE house_notice RENAME TO lost")

        with self.assertLogs("django.request", "ERROR"):
            answer = self.client.get("/health")

        self.assertEqual((answer.status_code, answer.json()["ok"]), (503, False))


@override_settings(TICK_KEY="door-key")
class InternalTest(TestCase):
    def test_the_tick_and_the_counts_need_the_key(self) -> None:
        for wrong in ({}, {"X-Tick-Key": ""}, {"X-Tick-Key": "door-kéy"}):
            self.assertEqual(self.client.post("/internal/tick", headers=wrong).status_code, 403)
            self.assertEqual(self.client.get("/internal/events", headers=wrong).status_code, 403)
        self.assertEqual(self.client.post("/internal/tick", headers=KEY).status_code, 204)

    def test_failing_work_is_named_and_stops_no_other(self) -> None:
        done = []
        for run in (boom, lambda: done.append(1)):
            tick.every_tick(run)
            self.addCleanup(tick._runs.remove, run)

        with self.assertLogs("house.tick", "ERROR"), self.assertLogs("django.request", "ERROR"):
            answer = self.client.post("/internal/tick", headers=KEY)

        self.assertEqual(answer.status_code, 500)
        self.assertEqual(answer.json(), {"failed": [f"{__name__}.boom"]})
        self.assertEqual(done, [1])

    def test_events_are_counted_by_name_and_day(self) -> None:
        anna = User.objects.create_user("anna")
        for _ in range(2):
            events.record("use", anna, kind="list")
        Event.objects.update(created_at=datetime(2030, 1, 7, 23, 59, tzinfo=UTC))

        counted = self.client.get("/internal/events", headers=KEY).json()["events"]

        first = {"day": "2030-01-07", "name": "first_use", "count": 1}
        self.assertEqual(counted, [first, {"day": "2030-01-07", "name": "use", "count": 2}])

    def test_counts_stay_when_a_person_goes(self) -> None:
        anna = User.objects.create_user("anna")
        events.record("use", anna)

        anna.delete()

        self.assertEqual(Event.objects.filter(owner=None).count(), 2)


class LogTest(TestCase):
    def test_a_request_is_one_line_without_personal_data(self) -> None:
        with self.assertLogs("house.logs", "INFO") as logs:
            answer = self.client.get("/support/?from=anna@example.org", headers={"X-Request-Id": "r-1"})

        line = json.loads(JsonLine().format(logs.records[0]))
        self.assertEqual([line["method"], line["route"], line["status"]], ["GET", "/support/", 200])
        self.assertGreater(line["ms"], 0)
        self.assertEqual((line["request_id"], answer["X-Request-Id"]), ("r-1", "r-1"))
        self.assertNotIn("anna", json.dumps(line))

    def test_an_error_says_where_and_keeps_its_message_for_tests(self) -> None:
        record = logging.makeLogRecord(
            {"name": "django.request", "msg": "%s: %s", "args": ("Error", "/ping/secret")}
        )
        try:
            boom()
        except ValueError as problem:
            record.exc_info = (ValueError, problem, problem.__traceback__)

        in_tests = JsonLine().format(record)
        with override_settings(TEST=False):
            for_real = JsonLine().format(record)

        self.assertIn("anna@example.org", in_tests)
        self.assertNotIn("anna@example.org", for_real)
        self.assertNotIn("secret", for_real)
        self.assertIn("house/tests/test_doors.py:", json.loads(for_real)["where"][-1])


class PagesTest(TestCase):
    def test_everybody_may_read_what_the_house_says(self) -> None:
        for path in (
            "/",
            "/plans/",
            "/privacy/",
            "/terms/",
            "/support/",
            "/signup/",
            "/login/",
            "/house.css",
        ):
            with self.subTest(path=path):
                answer = self.client.get(path)

                self.assertEqual(answer.status_code, 200)
                self.assertIn("default-src 'none'", answer["Content-Security-Policy"])
                self.assertEqual(
                    answer["Cache-Control"], "public, max-age=86400" if path == "/house.css" else "no-store"
                )
                self.assertNotIn("<script", answer.text)
                self.assertNotIn("style=", answer.text)

    @override_settings(
        COPY={"tagline": "T", "sentence": "S", "nav": [{"label": "Things", "path": "/things/"}]}
    )
    def test_the_texts_come_from_the_copy(self) -> None:
        self.assertContains(self.client.get("/"), '<a href="/things/">Things</a>')

    def test_a_form_from_elsewhere_is_refused(self) -> None:
        answer = Client(enforce_csrf_checks=True).post("/signup/", {"email": "anna@example.org"})

        self.assertContains(answer, "Please try again", status_code=403)

    def test_a_missing_page_says_so(self) -> None:
        self.assertContains(self.client.get("/nothing/"), "There is nothing here", status_code=404)

    def test_markup_in_a_notice_is_text(self) -> None:
        anna = User.objects.create_user("anna")
        Notice.send(anna, subject="<i>odd</i>", text="x")
        self.client.force_login(anna)

        self.assertContains(self.client.get("/notices/"), "&lt;i&gt;odd&lt;/i&gt;")
