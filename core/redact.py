"""What must not be told: keys, tokens, passwords, and addresses of people."""

import re
from typing import Final

MASKED: Final = "***"
SECRETS: Final = re.compile(
    r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # user and password of an address
    r"|\b(?:sk|pk|rk|csk|gsk|xox[abp]|gh[opsu])[-_][\w-]{8,}"  # keys of providers
    r"|\bgithub_pat_\w{20,}|\bAIza[\w-]{30,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bf[a-z]_[\w-]{20,}"  # tokens of ours
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+"  # JSON web tokens
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?<=Bearer )[\w.~+/-]+=*|(?<=Basic )[\w+/]{8,}=*"
    r"|(?i:(?<=password=)|(?<=passwd=)|(?<=secret=)|(?<=api_key=)|(?<=apikey=)|(?<=token=))[^\s&\"',;]+",
    re.DOTALL,
)
MAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


def mask_secrets(text: str) -> str:
    """Return `text` without keys, tokens and passwords; what a log may say. Source: R-08.12."""
    return SECRETS.sub(MASKED, text)


def redact(text: str) -> str:
    """Return `text` without secrets and mail addresses; what may be told to others. Source: R-08.10, R-08.28."""
    return MAIL.sub(MASKED, mask_secrets(text))


def told_to(text: str, *, role: str) -> str:
    """Return what somebody of this role may read of what agents say: the owner all, an operator redacted, others nothing.

    Source: R-08.28.
    """
    if role == "owner":
        return text
    return redact(text) if role == "operator" else ""
