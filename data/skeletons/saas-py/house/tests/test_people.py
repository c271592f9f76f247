"""People come, leave, come back and pay."""

from django.contrib.auth.models import User
from django.core import mail
from django.test import TestCase, override_settings

from house import plans
from house.models import Event, Notice, Payment
from house.tick import run_all

WORD = "quiet-river-42"
ANNA = {"email": "Anna@Example.org", "password": WORD}
PLANS = [
    {"plan": "Small", "usd_month": 7, "limit": 2, "history_days": 7},
    {"plan": "Large", "usd_month": 19, "limit": 5, "history_days": 90},
]
CARD = "4242 4242 4242 4242"


class SignUpTest(TestCase):
    def test_an_account_is_made_opened_and_welcomed(self) -> None:
        answer = self.client.post("/signup/", ANNA)

        self.assertEqual(answer.status_code, 302)
        self.assertEqual(User.objects.get().email, "anna@example.org")
        self.assertContains(self.client.get("/notices/"), "Welcome to")
        self.assertEqual(Event.objects.get().name, "sign_up")

    def test_the_welcome_is_mailed_at_the_next_tick_and_only_once(self) -> None:
        self.client.post("/signup/", ANNA)

        run_all()
        run_all()

        self.assertEqual([letter.to for letter in mail.outbox], [["anna@example.org"]])

    def test_the_same_address_is_refused_whatever_its_case(self) -> None:
        self.client.post("/signup/", ANNA)

        answer = self.client.post("/signup/", {**ANNA, "email": "ANNA@example.ORG"})

        self.assertContains(answer, "an account with this address", status_code=400)

    def test_nonsense_is_refused_with_reasons(self) -> None:
        for email, word in (
            ("", ""),
            ("anna", WORD),
            ("anna@example.org", "short"),
            ("anna@example.org", "password1"),
        ):
            with self.subTest(email=email, word=word):
                answer = self.client.post("/signup/", {"email": email, "password": word})

                self.assertContains(answer, "errorlist", status_code=400)
        self.assertEqual(self.client.post("/signup/").status_code, 400)
        self.assertFalse(User.objects.exists())


class LogInTest(TestCase):
    def setUp(self) -> None:
        self.client.post("/signup/", ANNA)
        self.client.post("/logout/")

    def test_a_person_comes_back_to_where_they_wanted_to_be(self) -> None:
        answer = self.client.post("/login/?next=/notices/", ANNA)

        self.assertRedirects(answer, "/notices/")

    def test_a_foreign_address_is_not_followed(self) -> None:
        answer = self.client.post("/login/?next=https://elsewhere.example/", ANNA)

        self.assertRegex(answer["Location"], r"^/(?!/)")

    def test_a_wrong_password_is_refused(self) -> None:
        answer = self.client.post("/login/", {**ANNA, "password": WORD.upper()})

        self.assertContains(answer, "E-mail or password is wrong", status_code=400)

    def test_logging_out_closes_the_account(self) -> None:
        self.client.post("/login/", ANNA)
        self.client.post("/logout/")

        self.assertRedirects(self.client.get("/notices/"), "/login/?next=/notices/")


@override_settings(PLANS=PLANS)
class PayTest(TestCase):
    def setUp(self) -> None:
        self.anna = User.objects.create_user("anna@example.org", "anna@example.org")
        self.client.force_login(self.anna)

    def pay(self, plan: str = "Large", card: str = CARD) -> int:
        return self.client.post("/plans/pay/", {"plan": plan, "card": card}).status_code

    def test_the_trial_holds_what_the_first_plan_holds(self) -> None:
        self.assertEqual(plans.limit_of(self.anna), 2)
        self.assertTrue(plans.room_for(self.anna, 1))
        self.assertFalse(plans.room_for(self.anna, 2))

    def test_the_test_card_pays_and_the_plan_grows(self) -> None:
        self.assertEqual(self.pay(), 302)

        self.assertEqual(plans.limit_of(self.anna), 5)
        self.assertEqual(Payment.objects.get().amount_cents, 1900)
        self.assertEqual(Notice.objects.get().subject, "Receipt for Large")
        self.assertEqual([event.name for event in Event.objects.order_by("id")], ["payment", "upgrade"])

    def test_what_one_person_pays_gives_no_room_to_another(self) -> None:
        bert = User.objects.create_user("bert@example.org", "bert@example.org")
        self.pay()

        self.assertEqual(plans.limit_of(bert), 2)
        self.assertEqual(plans.limit_of(self.anna), 5)

    def test_another_card_is_refused_and_nothing_changes(self) -> None:
        answer = self.client.post("/plans/pay/", {"plan": "Large", "card": "4000000000000002"})

        self.assertContains(answer, "The card was refused", status_code=402)
        self.assertEqual(plans.limit_of(self.anna), 2)
        self.assertFalse(Payment.objects.exists())

    def test_a_plan_is_not_paid_twice(self) -> None:
        self.pay()
        self.assertEqual(self.pay(), 302)

        self.assertEqual(Payment.objects.count(), 1)

    def test_a_smaller_plan_is_a_payment_but_no_upgrade(self) -> None:
        self.pay()
        self.pay("Small")

        self.assertEqual(plans.limit_of(self.anna), 2)
        self.assertEqual(Event.objects.filter(name="upgrade").count(), 1)

    def test_an_unknown_plan_is_refused(self) -> None:
        self.assertEqual(self.pay("Huge"), 400)

    def test_paying_needs_a_person(self) -> None:
        self.client.logout()

        self.assertEqual(self.pay(), 302)
        self.assertFalse(Payment.objects.exists())
