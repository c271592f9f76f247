"""One of LiteLLM's ways to cap spending, against the server at the address given: `litellm_caps.py WHICH URL CALLS`."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from litellm import BudgetManager, Router

WHICH, URL, CALLS = sys.argv[1], f"{sys.argv[2]}/v1", int(sys.argv[3])
MODEL = "openai/gpt-5.2"
PRICE = {"input_cost_per_token": 3e-6, "output_cost_per_token": 15e-6}
ASK = {"messages": [{"role": "user", "content": "hello " * 1_600}], "max_tokens": 1_000}
WIRE = {"model": MODEL, "api_base": URL, "api_key": "x", "max_retries": 0}
Call = Callable[[], Awaitable[object]]
Booked = Callable[[], float]


def max_budget() -> tuple[Call, Booked]:
    """The cap of the SDK."""
    litellm.max_budget = 1.0
    return (lambda: litellm.acompletion(**WIRE, **ASK)), (lambda: litellm._current_cost)


def manager() -> tuple[Call, Booked]:
    """Its documented way: ask the manager, call, tell the manager."""
    budget = BudgetManager(project_name="bench")
    budget.create_budget(total_budget=1.0, user="u")

    async def call() -> None:
        if budget.get_current_cost("u") > budget.get_total_budget("u"):
            raise RuntimeError("refused")
        budget.update_cost(completion_obj=await litellm.acompletion(**WIRE, **ASK), user="u")

    return call, lambda: budget.get_current_cost("u")


def router() -> tuple[Call, Booked]:
    """The budget of a provider behind the router."""
    made = Router(
        model_list=[{"model_name": "m", "litellm_params": {**WIRE, **PRICE}}],
        provider_budget_config={"openai": {"budget_limit": 1.0, "time_period": "1d"}},
        num_retries=0,
    )
    return (lambda: made.acompletion(model="m", **ASK)), (lambda: float("nan"))


async def main() -> None:
    """Send all at once and tell how many were refused and what was booked."""
    litellm.telemetry, litellm.suppress_debug_info = False, True
    litellm.register_model(
        {name: {**PRICE, "litellm_provider": "openai", "mode": "chat"} for name in (MODEL, "gpt-5.2")}
    )
    call, booked = {"max_budget": max_budget, "manager": manager, "router": router}[WHICH]()
    done = await asyncio.gather(*(call() for _ in range(CALLS)), return_exceptions=True)
    await asyncio.sleep(1)
    cost = booked()
    told = {"refused": sum(isinstance(one, BaseException) for one in done)}
    sys.stdout.write(
        json.dumps({**told, "booked_microusd": None if cost != cost else round(cost * 1e6)}) + "\n"
    )


asyncio.run(main())
