"""How one request is answered, and what it then costs in truth."""

from dataclasses import asdict, dataclass, field
from typing import Any

Json = dict[str, Any]
FAULTS = ("silence", "stall", "reset", "slam", "cut", "malformed", "html", "error_event")
"""What happens instead of a whole answer: no byte ever; half, then nothing; half, then RST; closed at once; half, then an
ordinary end; half, then broken JSON; a page instead of a stream; an error inside the stream, with the text as its words."""


@dataclass(frozen=True)
class Play:
    """One behaviour.

    Attributes:
        status: other than 200: an error in the shape of the protocol, unbilled unless `bills` says so.
        retry_after: the header of a 429; empty: none is sent.
        calls: tool calls as (id, name, arguments as JSON text).
        stop: `end`, `tools` or `length`.
        fills: the answer uses all of the asked room, and stops for it.
        usage: the true tokens where they differ from what was read and written: prompt (all), cached, cache_write, cache_write_1h,
            completion (all), reasoning.
        tells: `honest`, `nothing` (no usage), `nonsense` (negative counts), or tokens that differ from the true ones.
        served: another model than asked, by its name.
        fault: one of `FAULTS`, or empty.
        bills: whether a faulty answer costs; None: as far as providers do (not for a status, not for `silence` and `slam`).
        delay_s: before the first byte.
        chunk_s: between two chunks of a stream.
        chunks: in how many pieces the text comes; 0: one by word.
        times: how often it is played; None: for ever.
        where: only for requests with these words: `model`, `path`, `key` (parts of them), `says` (in the body).
    """

    status: int = 200
    retry_after: str = ""
    text: str = "Hello."
    calls: tuple[tuple[str, str, str], ...] = ()
    stop: str = "end"
    fills: bool = False
    usage: Json = field(default_factory=dict)
    tells: Any = "honest"
    served: str = ""
    fault: str = ""
    bills: bool | None = None
    delay_s: float = 0.0
    chunk_s: float = 0.0
    chunks: int = 0
    times: int | None = 1
    where: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.fault and self.fault not in FAULTS:
            raise ValueError(self.fault)

    @property
    def is_billed(self) -> bool:
        """Whether this answer costs."""
        if self.bills is not None:
            return self.bills
        return self.status == 200 and self.fault not in ("silence", "slam", "html")

    def fits(self, *, model: str, path: str, key: str, body: bytes) -> bool:
        """Whether it is meant for this request."""
        told = {"model": model, "path": path, "key": key, "says": body.decode(errors="replace")}
        return all(str(part) in told[name] for name, part in self.where.items())

    def as_json(self) -> Json:
        """Return it as it travels."""
        return asdict(self)


def read_play(told: Json) -> Play:
    """Return the play that `told` describes."""
    return Play(**{**told, "calls": tuple(tuple(call) for call in told.get("calls", ()))})
