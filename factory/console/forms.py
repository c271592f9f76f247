"""What people fill in."""

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID
from zoneinfo import available_timezones

from django import forms
from django.contrib.auth.forms import BaseUserCreationForm

from agents.gateway.rules.offers import LEAST_WINDOW_TOKENS, MOST_WINDOW_TOKENS
from agents.gateway.rules.route import TIERS
from agents.roster.models import Agent
from approvals.services import Answer
from core.errors import BadArguments
from core.models import User
from factory.console.services import OTHER, OWN, FirstDay, GivenKey

if TYPE_CHECKING:
    NewUserForm = BaseUserCreationForm[User]
else:
    NewUserForm = BaseUserCreationForm

FILE_LIMIT_BYTES: Final = 50 * 1024 * 1024
WORDS_LIMIT: Final = 4_000


def time_zones() -> list[str]:
    """Return the names of all time zones, in order."""
    return sorted(available_timezones())


class JoinForm(NewUserForm):
    """Name, password and time zone of a new account."""

    time_zone = forms.ChoiceField(label="Your time zone", initial="UTC")

    class Meta:
        """The name alone; what they may do comes from the invitation."""

        model = User
        fields = ("username",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["time_zone"].choices = [(zone, zone) for zone in time_zones()]  # type: ignore[attr-defined]
        self.fields["username"].help_text = ""
        self.fields["password1"].help_text = "At least 10 characters."
        self.fields["password2"].help_text = ""


class AnswerForm(forms.Form):
    """One answer: which, to what was shown, and why."""

    answer = forms.CharField(max_length=10)
    digest = forms.CharField(max_length=64)
    why = forms.CharField(max_length=40, required=False)
    words = forms.CharField(max_length=WORDS_LIMIT, required=False)
    seen = forms.CharField(max_length=10_000, required=False)

    @property
    def said(self) -> str:
        """The reason in one text: the one that was picked, then their own words."""
        parts = (self.cleaned_data["why"], self.cleaned_data["words"])
        return ". ".join(part.strip() for part in parts if part.strip())


class TogetherForm(forms.Form):
    """Answers to several questions: the same to all that were shown, or the marked ones."""

    how = forms.ChoiceField(choices=[("approve", "all yes"), ("reject", "all no"), ("marked", "as marked")])
    seen = forms.CharField(max_length=10_000, required=False)

    def answers(self) -> list[Answer]:
        """Return one answer to each question that was shown and marked, bound to what was shown."""
        how, found = self.cleaned_data["how"], []
        for name, digest in self.data.items():
            kind, _, number = name.partition("-")
            said = self.data.get(f"say-{number}", "") if how == "marked" else how
            if kind == "shown" and said:
                found.append(Answer(_uuid(number), said, str(digest)))
        return found


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as strange:
        raise BadArguments(at="shown", expected="questions of this page") from strange


class IdeaForm(forms.Form):
    """An idea in the owner's words."""

    text = forms.CharField(label="Your idea in a few sentences: who has which problem, how often")


class SignalsForm(forms.Form):
    """A file of signals, one JSON object a line."""

    signals = forms.FileField(label="Signals file, one JSON object a line, at most 50 MB")


class LimitForm(forms.Form):
    """One limit and its new amount."""

    limit = forms.UUIDField()
    usd = forms.DecimalField(min_value=0, max_digits=9, decimal_places=2)
    why = forms.CharField(max_length=300, required=False)
    until = forms.DateField(required=False)


class SwitchForm(forms.Form):
    """What is switched off or on again, and why."""

    turn = forms.RegexField(r"^(on|off) (agent|team|product|provider|model) \S{1,130}$")
    why = forms.CharField(max_length=300, required=False)


class SettingForm(forms.Form):
    """One setting, its new value, and the version that was shown."""

    key = forms.CharField(max_length=60)
    value = forms.CharField(max_length=60)
    version = forms.IntegerField(min_value=0)
    why = forms.CharField(max_length=300, required=False)


class InviteForm(forms.Form):
    """What somebody new may do."""

    role = forms.ChoiceField(choices=User.Role.choices)


class DeviceForm(forms.Form):
    """One device of one person."""

    name = forms.CharField(max_length=60)


class KeyForm(forms.Form):
    """Whose key, the key itself, and an address where the maker is none of the table."""

    maker = forms.CharField(max_length=40)
    key = forms.CharField(max_length=400, required=False)
    address = forms.CharField(max_length=200, required=False)
    name = forms.CharField(max_length=40, required=False)

    def clean(self) -> dict[str, Any]:
        """Refuse a maker of the table without a key, and another one without its address and name."""
        told = super().clean() or {}
        is_other = told.get("maker") in (OWN, OTHER)
        if is_other and not (told.get("address") and told.get("name")):
            raise forms.ValidationError("address and name")
        if told.get("maker") != OWN and not told.get("key"):
            raise forms.ValidationError("key")
        return told

    @property
    def given(self) -> GivenKey:
        """What was typed."""
        told = self.cleaned_data
        is_other = told["maker"] in (OWN, OTHER)
        return GivenKey(
            told["maker"],
            secret="" if told["maker"] == OWN else told["key"],
            address=told["address"] if is_other else "",
            name=told["name"] if is_other else "",
        )


class MakerForm(forms.Form):
    """One model maker."""

    maker = forms.CharField(max_length=40)


class PriceForm(forms.Form):
    """What a model costs, in dollars a million tokens, and what it holds and writes at most."""

    model = forms.CharField(max_length=121)
    input_usd = forms.DecimalField(min_value=0, max_value=10_000, max_digits=11, decimal_places=6)
    output_usd = forms.DecimalField(min_value=0, max_value=10_000, max_digits=11, decimal_places=6)
    tier = forms.ChoiceField(choices=[(tier, tier) for tier in TIERS], required=False)
    window = forms.IntegerField(min_value=LEAST_WINDOW_TOKENS, max_value=MOST_WINDOW_TOKENS, required=False)
    longest = forms.IntegerField(min_value=1, max_value=MOST_WINDOW_TOKENS, required=False)


class FirstDayForm(forms.Form):
    """How much a day, in which time zone, and who is on."""

    cap = forms.DecimalField(min_value=0, max_digits=7, decimal_places=2)
    time_zone = forms.CharField(max_length=60)
    on = forms.MultipleChoiceField(required=False)
    waive = forms.BooleanField(required=False)

    @property
    def answers(self) -> FirstDay:
        """What was answered."""
        told = self.cleaned_data
        return FirstDay(cap_usd=told["cap"], time_zone=told["time_zone"], on=tuple(told["on"]))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = Agent.objects.order_by("name").values_list("name", flat=True)
        self.fields["on"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]
