"""What the rehearsal model knows how to build: one module per core, found by its name here."""

from .heartbeat import HEARTBEAT
from .product import Core
from .register import REGISTER
from .watch import WATCH

CORES: dict[str, Core] = {core.kind: core for core in (HEARTBEAT, WATCH, REGISTER)}
