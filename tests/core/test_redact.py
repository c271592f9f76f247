"""What is told to others holds no secret and nobody's address."""

import pytest

from core.redact import mask_secrets, redact

SECRETS = [
    "sk-ant-api03-abcdefgh12345678", "csk-abcdefgh12345678", "gsk_abcdefgh12345678", "ghp_abcdefgh12345678",
    "AIzaSyA1234567890abcdefghijklmnopqrstuv", "AKIAABCDEFGHIJKLMNOP", "fd_abcdefghijklmnopqrstuvwxyz",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\nMIIEow and no end",
]  # fmt: skip


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_masked_wherever_it_stands(secret: str) -> None:
    told = mask_secrets(f'{{"said": "before {secret}", "next": 1}}')

    assert secret not in told
    assert "MIIEow" not in told
    assert told.startswith('{"said": "before ***')


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("postgres://ada:hunter2@db/x", "postgres://***@db/x"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
        ("Authorization: Basic cGs6c2s0Mg==", "Authorization: Basic ***"),
        ("POST /?token=abc123&next=1", "POST /?token=***&next=1"),
        ("Password=hunter2 for all", "Password=*** for all"),
    ],
)
def test_what_stands_around_a_secret_is_still_told(said: str, told: str) -> None:
    assert mask_secrets(said) == told


def test_addresses_of_people_are_told_to_nobody_else() -> None:
    assert (
        redact("Write to ada.lovelace+x@mail.example.org, not to the desk.")
        == "Write to ***, not to the desk."
    )


def test_ordinary_words_stay() -> None:
    said = "Rex read tests/feed/test_large.py @ 10:31: 41 passed, risk-adjusted; pk and sk are columns."

    assert redact(said) == said
