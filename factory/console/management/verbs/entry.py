"""The entrance of the command line: verbs by name, errors as one sentence and an exit code."""

import errno
import shutil
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from core.errors import FactoryError

app = typer.Typer(
    name="factory",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 140},
)
OK, FAILED, USAGE, REFUSED, NOT_FOUND, CONFLICT, UNAVAILABLE = range(7)
"""How a verb ends. Source: R-20.19."""
CODES = {
    400: USAGE,
    404: NOT_FOUND,
    409: CONFLICT,
    413: USAGE,
    422: USAGE,
    429: UNAVAILABLE,
    503: UNAVAILABLE,
}
FULL = "The disk is full: free some space, then start again; nothing was lost."
NODE = "This host is a node and has no database: here only `factory node serve` works."
LEAST_FREE_BYTES = 64 * 1024
SENTENCES = {
    "locked": "The database is locked by another process: wait a moment, or stop what holds it, then try again.",
    "disk is full": FULL,
    "readonly": "The database cannot be written: check the rights of FACTORY_HOME.",
    "no such table": "The database is empty: `factory run` or `make demo` makes its tables.",
}


def run_verb(arguments: Sequence[str]) -> None:
    """Carry out one verb and end the process.

    0 done, 1 failed, 2 asked back, 3 refused or it waits for somebody, 4 not found, 5 somebody was first, 6 not now.
    """
    try:
        app(args=list(arguments), prog_name="factory", standalone_mode=True)
    except FactoryError as error:
        stop(f"{error.sentence} {error.advice}".strip(), code=code_of(error))
    except DatabaseError as error:
        stop(_sentence_of(error), code=UNAVAILABLE)
    except ImproperlyConfigured as error:
        stop(NODE if settings.NODE_KEY else f"The settings do not fit: {error}.", code=UNAVAILABLE)
    except OSError as error:
        stop(FULL if error.errno == errno.ENOSPC else f"The system refused: {error}.", code=UNAVAILABLE)


def code_of(error: FactoryError) -> int:
    """Return how a verb ends that was refused like this."""
    return CODES.get(error.http_status, REFUSED if error.http_status < 500 else FAILED)


def stop(sentence: str, *, code: int) -> NoReturn:
    """Say one sentence and end."""
    sys.stderr.write(f"{sentence}\n")
    raise SystemExit(code)


def _sentence_of(error: DatabaseError) -> str:
    """A write-ahead log that finds no room says "disk I/O error": look how much room there is."""
    if shutil.disk_usage(settings.HOME).free < LEAST_FREE_BYTES:
        return FULL
    said = str(error).lower()
    return next(
        (words for sign, words in SENTENCES.items() if sign in said), f"The database refused: {error}."
    )
