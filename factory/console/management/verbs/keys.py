"""Verbs of keys: whose key is set, which models it has, what they cost."""

import getpass
import logging
import os
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from django.conf import settings

from agents.gateway.rules import offers
from agents.gateway.services.key_check import Proof, prove_address, prove_key
from agents.gateway.services.keys import forget_key, keys_shown, note_own_cap
from agents.gateway.services.makers import enter_price, standings
from agents.gateway.services.usage import compare_usage, read_usage
from core.adapters.homes import open_home
from core.money import in_words, to_microusd, to_usd
from factory.console.adapters.real_factory import real_environment
from factory.console.management.find import As, actor_of
from factory.console.management.show import AsJson, say, show_rows, usd
from factory.console.management.verbs.entry import REFUSED, USAGE, app, stop
from factory.console.management.verbs.run import prepare

key = typer.Typer(help="Set, check and forget the key of a model maker; it is never shown again.")
app.add_typer(key, name="key", no_args_is_help=True)
MOST_USD = Decimal(1_000_000_000)
"""Whoever writes more mistyped."""
STATES = {
    "ready": "ready", "unseen": "not checked yet", "no_price": "refused: no price", "not_in_key": "not in this key",
    "stopped": "stopped", "no_key": "no key",
}  # fmt: skip
Maker = Annotated[str, typer.Argument(help="Whose: anthropic, openai, gemini… `factory keys` lists them.")]
Stdin = Annotated[bool, typer.Option("--stdin", help="Read the key from standard input instead of asking.")]
Address = Annotated[
    str,
    typer.Option(help="Address of another maker that speaks the OpenAI protocol; it is added by this name."),
]
NoKey = Annotated[
    bool, typer.Option("--no-key", help="An own machine, e.g. with llama.cpp, that asks for none.")
]


@app.command(name="keys")
def list_keys(*, is_json: AsJson = False) -> None:
    """Show whose key is set, and where it comes from; of the key itself at most its end."""
    rows = [
        {
            "maker": one.provider, "key": one.source, "ends_with": one.last_four, "set_by": one.set_by, "set_at": one.set_at,
            "own_cap_usd": None if one.own_cap_microusd is None else usd(one.own_cap_microusd),
        }
        for one in keys_shown()
    ]  # fmt: skip
    columns = ("maker", "key", "ends_with", "set_by", "set_at", "own_cap_usd")
    show_rows(rows, columns=columns, is_json=is_json, none="Nobody.")


@app.command(name="models")
def list_models(
    *,
    maker: Annotated[str, typer.Option(help="Of one maker.")] = "",
    is_all: Annotated[bool, typer.Option("--all", help="Those without a key too.")] = False,
    is_json: AsJson = False,
) -> None:
    """Show which models the keys really have, what they cost, and why some are not used."""
    found = [one for one in standings() if maker in ("", one.provider)]
    shown = [one for one in found if is_all or is_json or maker or one.state != "no_key"]
    rows = [
        {
            "maker": one.provider,
            "model": one.model,
            "tier": one.tier,
            "in_usd": _per_million(one.input_microusd),
            "out_usd": _per_million(one.output_microusd),
            "window_tokens": one.window_tokens,
            "longest_tokens": one.longest_tokens,
            "use": STATES[one.state],
        }
        for one in shown
    ]
    columns = ("maker", "model", "tier", "in_usd", "out_usd", "window_tokens", "longest_tokens", "use")
    show_rows(
        rows,
        columns=columns,
        is_json=is_json,
        none="No key is set: `factory init`, or `factory key set MAKER`.",
    )
    if rows and not is_json:
        say(
            f"{offers.in_words(found)}. Dollars a million tokens; a model without a price is never called: `factory price`."
        )


def _per_million(microusd: int | None) -> str | None:
    return None if microusd is None else f"{to_usd(microusd):f}"


@key.command(name="set")
def set_one(  # noqa: PLR0913 (every answer may be an option)
    maker: Maker,
    *,
    from_stdin: Stdin = False,
    address: Address = "",
    has_no_key: NoKey = False,
    by: As = "",
    actor: Annotated[str, typer.Option(hidden=True)] = "",
    is_json: AsJson = False,
) -> None:
    """Prove a key with one call under $0.001, or by its list alone, and keep it, sealed, in place of an earlier one."""
    in_real_home()
    prepare()
    secret = "" if has_no_key else read_secret(maker, from_stdin=from_stdin)
    proof = prove(maker, secret, address=address, by=actor or actor_of(by))
    tell(proof, is_json=is_json)


@key.command(name="check")
def check_one(maker: Maker, *, by: As = "", is_json: AsJson = False) -> None:
    """Prove the key that is set once more, and read which models it has now."""
    in_real_home()
    tell(prove_key(maker, by=actor_of(by)), is_json=is_json)


@key.command(name="forget")
def forget_one(maker: Maker, *, by: As = "", is_json: AsJson = False) -> None:
    """Remove a stored key; nothing calls this maker from now on."""
    in_real_home()
    forget_key(maker, by=actor_of(by))
    say(f"The key of {maker} is forgotten.", is_json=is_json, maker=maker)


@key.command(name="cap")
def cap_one(
    maker: Maker,
    dollars_a_month: Annotated[
        str, typer.Argument(help="As it stands on the maker's own page; `none`: there is none.")
    ],
    *,
    by: As = "",
    is_json: AsJson = False,
) -> None:
    """Say which monthly cap you set at the maker itself: ours cannot hold whoever steals the key."""
    in_real_home()
    cap = None if dollars_a_month == "none" else to_microusd(dollars(dollars_a_month))
    note_own_cap(maker, cap, by=actor_of(by))
    words = (
        "no monthly cap that we know of" if cap is None else f"a monthly cap of {in_words(cap)} of its own"
    )
    say(f"{maker} has {words}.", is_json=is_json, maker=maker, own_cap_microusd=cap)


@app.command()
def price(  # noqa: PLR0913 (every answer may be an option)
    maker: Maker,
    model: Annotated[str, typer.Argument(help="The model, as `factory models` names it.")],
    *,
    input_usd: Annotated[str, typer.Option("--in", help="Dollars for a million tokens read.")],
    output_usd: Annotated[str, typer.Option("--out", help="Dollars for a million tokens written.")],
    tier: Annotated[
        str, typer.Option(help="local, budget, mid, premium or frontier; as it was, mid for a new one.")
    ] = "",
    window: Annotated[int | None, typer.Option(help="Tokens it holds; as its maker lists it.")] = None,
    longest: Annotated[int | None, typer.Option(help="Tokens of its longest answer.")] = None,
    by: As = "",
    is_json: AsJson = False,
) -> None:
    """Say what a model costs that the price table does not know, from today on; the newest price you enter counts."""
    in_real_home()
    made = enter_price(
        maker, model, input_usd=dollars(input_usd), output_usd=dollars(output_usd), tier=tier, window_tokens=window,
        longest_tokens=longest, by=actor_of(by),
    )  # fmt: skip
    one = made.model
    say(
        f"{model} may be used from {made.valid_from} on; it holds {one.window_tokens:,} tokens and writes {one.max_output_tokens:,} at most.",
        is_json=is_json,
        model=model,
        valid_from=made.valid_from,
        window_tokens=one.window_tokens,
        longest_tokens=one.max_output_tokens,
    )


def dollars(text: str) -> Decimal:
    """Return an amount that somebody typed, or end and say how it is written."""
    amount = read_dollars(text)
    if amount is None:
        stop(f"{text[:20]} is no amount; write it as 2.50.", code=USAGE)
    return amount


def read_dollars(text: str) -> Decimal | None:
    """Return the amount in `text`; None: it is none that anybody could spend."""
    try:
        amount = Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and abs(amount) <= MOST_USD else None


def prove(maker: str, secret: str, *, address: str, by: str) -> Proof:
    """Prove a key (empty: the one there is) or an address, and let the factory start real from now on."""
    if sys.stderr.isatty():
        logging.disable(logging.INFO)  # a person reads here
    proof = (
        prove_address(maker, address, secret or None, by=by)
        if address
        else prove_key(maker, secret or None, by=by)
    )
    open_home(settings.HOME)
    return proof


def tell(proof: Proof, *, is_json: bool) -> None:
    """Say what a check found."""
    found = offers.in_words([one for one in standings() if one.provider == proof.provider])
    say(
        f"{proof.words}\nModels: {found}.",
        is_json=is_json,
        proof=proof.words,
        maker=proof.provider,
        model=proof.model,
        answer=proof.said,
        cost_usd=usd(proof.cost_microusd),
        offered=proof.offered,
        models=found,
    )


def read_secret(maker: str, *, from_stdin: bool) -> str:
    """Return the key from standard input or a hidden prompt, empty where the environment's is used; never from the command line."""
    if settings.MODEL_KEYS.get(maker):
        return ""
    if from_stdin or not sys.stdin.isatty():
        return sys.stdin.readline(1_000).strip()
    return getpass.getpass(f"Key of {maker} (hidden): ")


def in_real_home() -> None:
    """Go on in the real factory's home: keys belong there. Starts this verb anew when we stand in the rehearsal."""
    if settings.MODE == "real":
        return
    if settings.REAL_HOME is None:
        stop(
            "This factory rehearses for ever, and takes no key. Start it without FACTORY_MODE; "
            "on PostgreSQL with FACTORY_MODE=real and an empty database.",
            code=REFUSED,
        )
    settings.REAL_HOME.mkdir(parents=True, exist_ok=True)
    _again_as_real()


def _again_as_real() -> NoReturn:
    words = sys.argv[sys.argv.index("factory") + 1 :] if "factory" in sys.argv else sys.argv[1:]
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "factory", *words]
    os.execve(sys.executable, command, real_environment())  # noqa: S606 (ourselves, no shell)


@app.command(name="reconcile")
def reconcile(
    file: Annotated[Path, typer.Argument(help="What providers billed: lines of day,provider,cost_usd.")],
    *,
    by: As = "",
    is_json: AsJson = False,
) -> None:
    """Hold what providers say they billed against what was booked; more than 5 % apart ends with 1."""
    found = compare_usage(read_usage(file), by=actor_of(by))
    rows = [
        {
            "day": one.day,
            "maker": one.provider,
            "billed": usd(one.billed_microusd),
            "booked": usd(one.booked_microusd),
            "apart": f"{one.share:.1%}",
            "look": "yes" if one.is_far else "",
        }
        for one in found
    ]
    show_rows(
        rows, columns=("day", "maker", "billed", "booked", "apart", "look"), is_json=is_json, none="No lines."
    )
    if any(one.is_far for one in found):
        raise typer.Exit(REFUSED)
