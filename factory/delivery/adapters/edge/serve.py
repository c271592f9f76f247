"""The edge of one home folder, started by path: `python -I serve.py HOME CADDY`. It leaves its starter and outlives it."""

import importlib
import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def load_package() -> None:
    """Make this folder importable as `edge`, and nothing beside it: a neighbour could bear a library's name."""
    spec = importlib.util.spec_from_file_location(
        "edge", HERE / "__init__.py", submodule_search_locations=[str(HERE)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(HERE)
    package = importlib.util.module_from_spec(spec)
    sys.modules["edge"] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    home, caddy, *role = sys.argv[1:]
    load_package()
    importlib.import_module(f"edge.{role[0] if role else 'guard'}").main(Path(home).resolve(), caddy)
