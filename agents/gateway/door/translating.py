"""A provider that speaks another protocol than was asked: through the words of the house, there and back."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from agents.gateway.door.protocols import Wanted
from agents.gateway.door.reading import Read, read_request, turned
from agents.gateway.door.speech import Hearing, Stream, Written
from agents.gateway.door.tongues import (
    ChatTongue,
    MessagesTongue,
    Piece,
    ResponsesTongue,
    Tongue,
    anthropic_pieces,
    openai_pieces,
)
from agents.gateway.errors import BadAsk, NotTranslatable
from agents.gateway.ports import Ask, Ear, Intent, Wire
from agents.gateway.services.bounds import body_bytes
from core.ids import new_id
from core.registry import Json

_PIECES: Mapping[str, Callable[[Json], Iterator[Piece]]] = {
    "/v1/chat/completions": openai_pieces,
    "/v1/messages": anthropic_pieces,
}


@dataclass(frozen=True)
class Translated:
    """A wire of the house stands between the engine and the provider."""

    wire: Wire
    read: Read

    @property
    def path(self) -> str:
        """The wire's own."""
        return self.wire.path

    def headers(self, key: str, told: Mapping[str, str], /) -> dict[str, str]:
        """Return the wire's own; nothing of the request's means anything there."""
        return self.wire.headers(key)

    def write(self, wanted: Wanted, *, model: str, max_tokens: int) -> Written:
        """Return the request as the wire writes it.

        Raises:
            BadAsk: a tool or a schema has a shape that means nothing.
        """
        try:
            return self._write(model=model, max_tokens=max_tokens)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as problem:
            raise BadAsk(at="tools or schema", problem=type(problem).__name__) from problem

    def _write(self, *, model: str, max_tokens: int) -> Written:
        read = self.read
        ask = Ask(
            agent="", assignment_id=new_id(), scopes=(), system=read.system, messages=read.messages, max_tokens=max_tokens,
            intent=Intent(), tools=read.tools, answer_schema=read.answer_schema,
        )  # fmt: skip
        speech = "anthropic" if self.path == "/v1/messages" else "openai"
        body = {
            **self.wire.write(ask, model=model, max_tokens=max_tokens),
            **turned(read.knobs, speech=speech),
        }
        return Written(body_bytes(body), body)

    def listen(self, wanted: Wanted, /) -> Hearing:
        """Return an ear that tells what it hears in the words that were asked."""
        return Interpreter(
            self.wire.listen(), _tongue(wanted, self.read), _PIECES[self.path], is_stream=wanted.is_stream
        )


def translated(wanted: Wanted, *, wire: Wire) -> Translated:
    """Return how this request reaches a provider of `wire`.

    Raises:
        NotTranslatable: it cannot be said there.
    """
    if wanted.protocol.name not in ("chat", "messages", "responses") or wire.path not in _PIECES:
        raise NotTranslatable(door=wanted.protocol.path)
    return Translated(wire, read_request(wanted.protocol, wanted.body.data))


def _tongue(wanted: Wanted, read: Read) -> Tongue:
    match wanted.protocol.name:
        case "chat":
            asked = (wanted.body.data.get("stream_options") or {}).get("include_usage")
            return ChatTongue(wanted.model, tells_usage=bool(asked))
        case "messages":
            return MessagesTongue(wanted.model)
    return ResponsesTongue(wanted.model, read.spaces)


class Interpreter(Stream):
    """Hears a stream of one protocol and tells it in another."""

    def __init__(
        self, ear: Ear, tongue: Tongue, pieces: Callable[[Json], Iterator[Piece]], *, is_stream: bool
    ) -> None:
        """Begin to listen."""
        super().__init__(ear)
        self._tongue, self._pieces, self._is_stream = tongue, pieces, is_stream

    def _pass(self, line: bytes) -> None:
        """Hear one line; what goes on is said in the other words."""
        self._passes(line)

    def _take(self, event: Json) -> None:
        super()._take(event)
        if self._is_stream:
            self._out += [self._tongue.say(piece) for piece in self._pieces(event)]

    def end(self) -> bytes:
        """Return the rest of the stream, or the whole answer."""
        rest, said = super().end(), self.said()
        return rest + (self._tongue.end(said) if self._is_stream else self._tongue.whole(said))
