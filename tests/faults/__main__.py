"""`python -m tests.faults [PORT]`: serve until stdin ends; the first line tells the address."""

import asyncio
import sys

from tests.faults.server import end_with_parent, serve

if __name__ == "__main__":
    end_with_parent()
    asyncio.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
