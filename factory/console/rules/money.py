"""Money in sentences."""

from core.money import in_words

_PERIODS = {"day": "today", "month": "this month", "life": "in all"}


def money_alert_words(rule: str, *, name: str, line: int, amounts: tuple[int, int]) -> str:
    """Return what money passed, as a sentence without its stop; `amounts`: what it came to, what it was measured by."""
    came, measure = amounts
    if rule in _PERIODS:
        return f"{name} has used {in_words(came)} of {in_words(measure)} {_PERIODS[rule]}"
    if rule in ("cheap", "top"):
        share = "at least" if rule == "cheap" else "at most"
        return f"{rule.capitalize()} models made {came} % of the calls of seven days, not {share} {measure} %"
    if rule == "cache":
        return f"{name} read {came} % of seven days from a cache, not at least {measure} %: its prompts begin differently each time"
    return {
        "factory_day": f"The factory has spent more than ${line} today",
        "forecast": f"This month is heading for {in_words(came)}, above ${line:,}",
        "agent_pace": f"{name} spent {in_words(came)} in five minutes, far above its usual {in_words(measure)}",
        "factory_hour": f"This hour cost {in_words(came)}, more than three times the hour before ({in_words(measure)})",
        "agent_day": f"{name} has spent {in_words(came)} today, far above its usual day of {in_words(measure)}",
    }[rule]
