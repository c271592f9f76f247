"""What people may enter in the house's own pages."""

from typing import Any

from django import forms
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.password_validation import validate_password

from house import fetch
from house.models import Webhook


class SignUp(forms.Form):
    """A new account by e-mail address."""

    email = forms.EmailField(label="E-mail", max_length=150)
    password = forms.CharField(widget=forms.PasswordInput, max_length=200, help_text="At least 8 characters.")

    def clean_email(self) -> str:
        """The address, in small letters, of nobody yet."""
        email: str = self.cleaned_data["email"].lower()
        if get_user_model().objects.filter(username=email).exists():
            raise forms.ValidationError("There is an account with this address already. Please log in.")
        return email

    def clean_password(self) -> str:
        """A password that is not too easy to guess."""
        validate_password(self.cleaned_data["password"])
        return str(self.cleaned_data["password"])


class LogIn(forms.Form):
    """The way back in; `person` is who proved to be themselves."""

    email = forms.CharField(label="E-mail", max_length=150)
    password = forms.CharField(widget=forms.PasswordInput, max_length=200)

    def clean(self) -> dict[str, Any]:
        """Check both together, and never say which was wrong."""
        given = {"username": self.cleaned_data.get("email", "").lower(), **self.cleaned_data}
        self.person = authenticate(username=given["username"], password=given.get("password", ""))
        if self.person is None:
            raise forms.ValidationError("E-mail or password is wrong.")
        return self.cleaned_data


class WebhookForm(forms.ModelForm):
    """Where notices are posted too; empty: nowhere."""

    address = forms.URLField(label="Address", required=False, max_length=500, assume_scheme="https")

    class Meta:
        model = Webhook
        fields = ("address",)

    def clean_address(self) -> str:
        """Only public web addresses."""
        address: str = self.cleaned_data["address"]
        if address and not fetch.may_fetch(address):
            raise forms.ValidationError("This is not a public web address.")
        return address
