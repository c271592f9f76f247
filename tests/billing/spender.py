"""A process that spends: started by path on the database of a test.

`spender.py DB race SCOPE CALLS BOUND` holds and books CALLS times and prints how many were refused;
`spender.py DB hang SCOPE BOUND` holds once, says so, and waits to be killed.
"""

import os
import signal
import sys
from pathlib import Path
from uuid import UUID

import django

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factory.settings")
django.setup()

from django.db import connection  # noqa: E402

from billing.errors import BudgetExceeded  # noqa: E402
from billing.services import capture_hold, place_hold  # noqa: E402
from core.ids import new_id  # noqa: E402


def spend(scope: UUID, bound: int) -> bool:
    """Hold and book one call at its bound; say whether it was allowed."""
    call_id = new_id()
    try:
        place_hold(scopes=[scope], bound_microusd=bound, call_id=call_id)
    except BudgetExceeded:
        return False
    capture_hold(call_id, cost_microusd=bound)
    return True


def main() -> None:
    """Do what the arguments say."""
    connection.settings_dict["NAME"] = sys.argv[1]
    verb, scope, *numbers = sys.argv[2:]
    if verb == "race":
        calls, bound = map(int, numbers)
        sys.stdout.write(str([spend(UUID(scope), bound) for _ in range(calls)].count(False)))
        return
    place_hold(scopes=[UUID(scope)], bound_microusd=int(numbers[0]), call_id=new_id())
    sys.stdout.write("held\n")
    sys.stdout.flush()
    signal.pause()


if __name__ == "__main__":
    main()
