"""REST doors of what pages and command line turn and set by hand: switches, and the owner's keys."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.gateway.services.keys import KeyShown, forget_key, key_shown, keys_shown
from billing.models import Switch
from core.api.callers import KEEPERS, OWNERS, Caller
from core.api.reading import Said
from core.api.routes import Doors
from core.api.rows import Door, Row, Rows, verb
from factory.console.services import OTHER, OWN, GivenKey, may_open, try_key
from factory.console.services.turns import turn_off, turn_on


class SwitchOut(Row[Switch]):
    """One switch that was set: open while it is neither cleared nor over."""

    class Meta:
        """What is shown."""

        model = Switch
        fields = (
            "id", "kind", "ref", "by", "reason", "is_auto", "set_at", "until", "cleared_at", "cleared_by",
        )  # fmt: skip


class SwitchBack(Said):
    """What is switched on again."""

    kind = serializers.ChoiceField(choices=Switch.Kind.choices)
    ref = serializers.CharField(
        max_length=130,
        help_text="`factory`, a team, an agent, a product's name in its address, a provider, `provider/model`.",
    )


class SwitchIn(SwitchBack):
    """What is switched off, and why; at `until` it ends by itself, null: by hand."""

    reason = serializers.CharField(max_length=300)
    until = serializers.DateTimeField(default=None, allow_null=True)


class WasOff(serializers.Serializer[Any]):
    """Whether it was off."""

    was_off = serializers.BooleanField()


class SwitchDoor(Rows):
    """What is and was switched off; acts on the next call."""

    serializer_class = SwitchOut
    queryset = Switch.objects.all()
    filterset_fields = ("kind", "ref")

    @verb(may=KEEPERS, takes=SwitchIn, gives=SwitchOut, is_one=False)
    def off(self, caller: Caller, said: Mapping[str, Any]) -> Switch:
        """Switch something off for new calls and open streams; a product begins no new work either. Source: R-08.17."""
        return turn_off(**said, by=caller.name)

    @verb(may=OWNERS, takes=SwitchBack, gives=WasOff, is_one=False)
    def on(self, caller: Caller, said: Mapping[str, Any]) -> Mapping[str, bool]:
        """Switch it on again."""
        return {"was_off": turn_on(**said, by=caller.name)}


class KeyOut(serializers.Serializer[Any]):
    """Whose key is set and where it comes from; of the key itself at most its end."""

    maker = serializers.CharField(source="provider")
    is_from = serializers.ChoiceField(
        choices=["environment", "stored", "none needed", "missing"], source="source"
    )
    last_four = serializers.CharField(allow_blank=True)
    set_by = serializers.CharField(allow_blank=True)
    set_at = serializers.DateTimeField(allow_null=True)


class KeyIn(Said):
    """A key, and whose it is; with an address it is that of another maker that speaks the OpenAI protocol."""

    maker = serializers.CharField(max_length=40)
    key = serializers.CharField(
        max_length=400, write_only=True, default="", allow_blank=True,
        help_text="Empty: an own machine that asks for none, or the key that is set is proved once more.",
    )  # fmt: skip
    address = serializers.CharField(max_length=200, default="", allow_blank=True)


class KeyDoor(Door):
    """The keys of model makers: given, never read."""

    may = OWNERS
    serializer_class = KeyOut
    pagination_class = None
    filter_backends = ()
    lookup_url_kwarg = "maker"
    lookup_value_converter = "slug"

    @extend_schema(responses=KeyOut(many=True))
    def read(self, request: Request) -> Response:
        """Give every maker and whether its key is set."""
        return Response(KeyOut(keys_shown(), many=True).data)

    @verb(may=OWNERS, takes=KeyIn, gives=KeyOut, is_one=False, is_repeatable=True, may_be_none=True)
    def set(self, caller: Caller, said: Mapping[str, Any]) -> KeyShown | None:
        """Prove a key by one call under $0.001 and keep it, sealed; nothing (204): a real factory takes our place."""
        given = GivenKey(said["maker"], said["key"], said["address"])
        if given.address:
            given = GivenKey(OTHER if given.secret else OWN, given.secret, given.address, given.maker)
        try_key(given, by=caller.name)
        return None if may_open() else key_shown(given.provider)

    @verb(may=OWNERS, gives=None)
    def forget(self, caller: Caller, said: Mapping[str, Any], maker: str) -> None:
        """Forget a stored key; nothing calls this maker from now on."""
        forget_key(key_shown(maker).provider, by=caller.name)


DOORS: Doors = {"switches": SwitchDoor, "keys": KeyDoor}
