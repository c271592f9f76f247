"""Simulated customers and the test processor: a process of its own that knows public addresses and nothing else.

Started by path: `python -I customers.py` reads one JSON order from standard input and prints what was done as JSON.
`{"do": "buy", "product_url", "plan", "number"}` signs one customer up, looks round and pays in test mode;
`{"do": "pay", "hook_url", "secret", "message"}` sends one signed message of the processor.
"""

import hashlib
import hmac
import json
import sys
import time
from typing import Any

import httpx

CARD = "4242424242424242"


def buy(order: dict[str, Any]) -> dict[str, Any]:
    """Sign up, open the first page behind the door, pay; give the statuses that were seen."""
    seen: dict[str, int] = {}
    with httpx.Client(base_url=order["product_url"], timeout=20, trust_env=False) as person:

        def post(path: str, **form: str) -> httpx.Response:
            token = {"X-CSRFToken": person.cookies.get("csrftoken") or ""}
            return person.post(path, data=form, headers=token)

        person.get("/signup/")
        email, word = f"customer-{order['number']}@example.com", f"a long word {order['number']}"
        signed_up = post("/signup/", email=email, password=word)
        seen["sign_up"] = signed_up.status_code
        seen["use"] = person.get(signed_up.headers.get("Location", "/")).status_code
        seen["plans"] = person.get("/plans/").status_code
        seen["pay"] = post("/plans/pay/", plan=order["plan"], card=CARD).status_code
    return seen


def pay(order: dict[str, Any]) -> dict[str, Any]:
    """Send one signed message; give the door's answer."""
    body, now = json.dumps(order["message"]).encode(), int(time.time())
    signature = hmac.new(order["secret"].encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"X-Pay-Signature": f"t={now},v1={signature}", "Content-Type": "application/json"}
    answer = httpx.post(order["hook_url"], content=body, headers=headers, timeout=20, trust_env=False)
    return {"status": answer.status_code}


def main() -> None:
    """Carry out one order."""
    order = json.load(sys.stdin)
    json.dump({"buy": buy, "pay": pay}[order["do"]](order), sys.stdout)


if __name__ == "__main__":
    main()
