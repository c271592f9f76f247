"""Too often is refused; twice is done once."""

from datetime import timedelta

from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory, TestCase, override_settings

from house.limits import address
from house.models import Event, KeptAnswer, Payment
from house.once import OnceOnly

WRONG = {"email": "anna@example.org", "password": str(12345)}
SMALL = {"plan": "Small", "card": "4242424242424242"}
LARGE = {**SMALL, "plan": "Large"}
KEY = {"Idempotency-Key": "k1"}
PLANS = [
    {"plan": "Small", "usd_month": 7, "limit": 2, "history_days": 7},
    {"plan": "Large", "usd_month": 19, "limit": 5, "history_days": 90},
]


@override_settings(PLANS=PLANS)
class LimitTest(TestCase):
    def setUp(self) -> None:
        cache.clear()

    def test_guessing_a_password_ends_at_the_tenth_try(self) -> None:
        seen = [self.client.post("/login/", WRONG).status_code for _ in range(11)]

        self.assertEqual(seen, [400] * 10 + [429])
        self.assertContains(self.client.post("/login/", WRONG), "Too many tries", status_code=429)

    def test_another_account_and_reading_the_page_go_on(self) -> None:
        for _ in range(11):
            self.client.post("/login/", WRONG)

        self.assertEqual(self.client.post("/login/", {**WRONG, "email": "bert"}).status_code, 400)
        self.assertEqual(self.client.get("/login/").status_code, 200)

    def test_trying_cards_ends_too(self) -> None:
        self.client.force_login(User.objects.create_user("anna"))
        card = {"plan": "Small", "card": "4000000000000002"}

        seen = [self.client.post("/plans/pay/", card).status_code for _ in range(21)]

        self.assertEqual(seen[-2:], [402, 429])

    def test_the_word_of_a_proxy_counts_on_its_socket_only(self) -> None:
        said = {"X-Forwarded-For": "1.1.1.1, 203.0.113.7"}

        on_socket = RequestFactory(REMOTE_ADDR="").get("/", headers=said)
        on_port = RequestFactory(REMOTE_ADDR="198.51.100.1").get("/", headers=said)

        self.assertEqual((address(on_socket), address(on_port)), ("203.0.113.7", "198.51.100.1"))


@override_settings(PLANS=PLANS)
class OnceTest(TestCase):
    def setUp(self) -> None:
        cache.clear()
        self.anna = User.objects.create_user("anna")
        self.client.force_login(self.anna)

    def test_the_same_key_gets_the_first_answer_and_does_nothing(self) -> None:
        first = self.client.post("/plans/pay/", SMALL, headers=KEY)
        self.client.post("/plans/pay/", LARGE)

        again = self.client.post("/plans/pay/", SMALL, headers=KEY)

        self.assertEqual((again.status_code, again["Location"]), (first.status_code, first["Location"]))
        self.assertEqual(Payment.objects.count(), 2)

    def test_the_same_key_for_another_request_is_refused(self) -> None:
        self.client.post("/plans/pay/", SMALL, headers=KEY)

        self.assertEqual(self.client.post("/plans/pay/", LARGE, headers=KEY).status_code, 422)

    def test_keys_of_others_are_their_own(self) -> None:
        bert = Client()
        bert.force_login(User.objects.create_user("bert"))
        self.client.post("/plans/pay/", SMALL, headers=KEY)

        self.assertEqual(bert.post("/plans/pay/", LARGE, headers=KEY).status_code, 302)

    def test_after_a_day_or_a_refusal_it_is_asked_anew(self) -> None:
        self.client.post("/plans/pay/", {**SMALL, "card": "1"}, headers=KEY)
        self.client.post("/plans/pay/", SMALL, headers=KEY)
        old = KeptAnswer.objects.get()
        KeptAnswer.objects.update(created_at=old.created_at - timedelta(hours=25))

        self.assertEqual(self.client.post("/plans/pay/", LARGE, headers=KEY).status_code, 302)
        self.assertEqual(Payment.objects.count(), 2)

    def test_a_failure_leaves_nothing_behind(self) -> None:
        def fails(request: HttpRequest) -> HttpResponse:
            Event.objects.create(name="half")
            return HttpResponse(status=500)

        request = RequestFactory().post("/any/", headers=KEY)
        request.user = self.anna

        self.assertEqual(OnceOnly(fails)(request).status_code, 500)
        self.assertFalse(Event.objects.exists())
        self.assertFalse(KeptAnswer.objects.exists())

    def test_a_key_is_kept_once(self) -> None:
        kept = {"owner": self.anna, "key": "k", "asked": "a", "status": 200, "headers": {}, "body": b""}
        KeptAnswer.objects.create(**kept)

        with self.assertRaises(IntegrityError):
            KeptAnswer.objects.create(**kept)
