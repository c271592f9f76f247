"""Reading rows and calling verbs: the two things a REST door does."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar, cast
from urllib import parse

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import QuerySet
from django.utils.module_loading import import_string
from django_filters.rest_framework import DjangoFilterBackend  # type: ignore[import-untyped]
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.decorators import action
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from core.api.callers import READERS, Caller, MayDo, Roles, caller_of
from core.api.problems import answer_problem
from core.api.reading import Body, Nothing, Said, check_size
from core.api.schema import KEY_HEADER
from core.errors import BadArguments
from core.ids import digest_of
from core.redact import told_to
from core.services.replies import Reply, count_call, reply_again, reply_once

M = TypeVar("M", bound=models.Model)


class Pages(CursorPagination):
    """Pages of 50, at most 200, the newest first; the next one by its address alone. Source: R-20.21."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    ordering = "-pk"

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Return where the page begins.

        Raises:
            BadArguments: no page of ours says so.
        """
        said = request.query_params.get(self.cursor_query_param)
        if said is None:
            return None
        try:
            place = parse.parse_qs(base64.b64decode(said, validate=True).decode("ascii"), strict_parsing=True)
            position = place["p"][0]
            self._key.to_python(position)
        except (ValueError, KeyError, ValidationError):
            raise BadArguments(at="cursor", expected="the address of a page as it was given") from None
        return Cursor(0, "r" in place, cast("int", position))

    def paginate_queryset(
        self, queryset: QuerySet[Any, Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any] | None:
        """Return the rows of the page."""
        self._key = cast("QuerySet[Any]", queryset).model._meta.pk
        return super().paginate_queryset(queryset, request, view)


class Pace(BaseThrottle):
    """So many calls a minute for each token or person, counted by all web processes together."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count the call.

        Raises:
            TooFast: it is one too many.
        """
        count_call(caller_of(request).key, at_most=settings.API_CALLS_PER_MINUTE)
        return True


class Bytes(BaseRenderer):
    """Stored bytes as they are."""

    media_type = "application/octet-stream"
    format = "bytes"
    charset = None
    render_style = "binary"

    def render(
        self, data: bytes, accepted_media_type: str | None = None, renderer_context: Any = None
    ) -> bytes:
        """Return them."""
        return data


class Row(serializers.ModelSerializer[M]):
    """A row as it is read."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields, for reading alone: what a database could not hold is no part of the promise."""
        fields = super().get_fields()
        for one in fields.values():
            one.read_only, one.validators = True, []
            if isinstance(one, serializers.IntegerField):
                one.min_value = one.max_value = None
        return fields


class Words(Row[M]):
    """A row with words of agents or about them: a caller gets as much of them as their role may read. Source: R-08.28."""

    words: ClassVar[tuple[str, ...]] = ()

    def to_representation(self, instance: M) -> dict[str, Any]:
        """Return the row; the owner reads all, an operator redacted, a viewer no words."""
        told, role = super().to_representation(instance), caller_of(self.context["request"]).role
        return {**told, **{name: _read(told[name], role=role) for name in self.words}}


def _read(value: Any, *, role: str) -> Any:
    if isinstance(value, str):
        return told_to(value, role=role)
    if isinstance(value, Mapping):
        return {name: _read(one, role=role) for name, one in value.items()} if role != "viewer" else None
    return [_read(one, role=role) for one in value] if isinstance(value, list) else value


class Ground(APIView):
    """What all REST doors have in common: who comes in, how fast, in which language, and how a refusal is said."""

    permission_classes = (MayDo,)
    throttle_classes = (Pace,)
    parser_classes = (Body,)
    renderer_classes: Sequence[type[BaseRenderer]] = (JSONRenderer,)
    metadata_class = None

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Return who knows tokens and sessions, as the settings list them: some stand in apps above this one."""
        return [import_string(name)() for name in settings.API_AUTHENTICATION]

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response]:
        """Return what says a refusal."""
        return answer_problem


class Door(Ground, GenericViewSet[Any]):
    """Whatever stands behind a REST address; who may, says `may`, or the verb itself."""

    pagination_class: type[Pages] | None = Pages
    filter_backends: Sequence[Any] = (DjangoFilterBackend,)
    lookup_value_converter = "uuid"
    may: ClassVar[Roles] = READERS
    noun: ClassVar[str] = ""
    """What its operations are named after; empty: the first part of its address."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Know who calls and what may be said before anything is done."""
        super().initial(request, *args, **kwargs)
        check_size(request)
        self._check_questions(request)

    def _check_questions(self, request: Request) -> None:
        """A filter that nobody knows would be overlooked, and everything given.

        Raises:
            BadArguments: names it.
        """
        known = {*self.questions, *getattr(self, "filterset_fields", ()), "cursor", "limit"}
        if strange := request.query_params.keys() - (known if request.method in ("GET", "HEAD") else set()):
            raise BadArguments(unknown=", ".join(sorted(strange)), known=", ".join(sorted(known)))

    questions: ClassVar[frozenset[str]] = frozenset()
    """Query parameters beside those of filters and pages."""


class Rows(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door):
    """Rows to read: a list and each one."""

    is_versioned: ClassVar[bool] = False
    """Whether each row has a `version` by which a change can say how it was read."""

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Give one row, with its version as ETag where it has one."""
        answer = super().retrieve(request, *args, **kwargs)
        if self.is_versioned:
            answer["ETag"] = f'"{answer.data["version"]}"'
        return answer


Verb = Callable[..., Any]
Keeper = Callable[..., tuple[Reply, bool]]


def verb(  # noqa: PLR0913 (what comes in, what goes out and who may: each verb says all of it)
    *,
    may: Roles,
    gives: type[serializers.BaseSerializer[Any]] | None,
    takes: type[Said] = Nothing,
    is_one: bool = True,
    status: int = 200,
    is_secret: bool = False,
    may_be_none: bool = False,
    is_repeatable: bool = False,
) -> Callable[[Verb], Verb]:
    """Make a method the POST of its name: it calls one service and returns what is to be shown.

    Args:
        may: roles that may call it.
        gives: how its result is shown; None: nothing is (204).
        takes: what the body may say.
        is_one: it belongs to one row, whose key the method gets; else to all of them.
        status: of the answer.
        is_secret: its answer is told once and never kept.
        may_be_none: None as a result is an answer too (204).
        is_repeatable: its service takes long and gives the same when called again: no transaction is held meanwhile.
    """

    def make(do: Verb) -> Verb:
        def door(self: Door, request: Request, **where: Any) -> Response:
            said = takes(data=request.data if request.data is not None else {}, context={"request": request})
            said.is_valid(raise_exception=True)
            caller = caller_of(request)

            def act() -> Reply:
                result = do(self, caller, said.validated_data, **where)
                if gives is None or (may_be_none and result is None):
                    return Reply(204, None)
                body = _plain(gives(instance=result, context={"request": request}).data)
                return Reply(status, body, is_secret=is_secret)

            return _answer(request, caller, act, keep=reply_again if is_repeatable else reply_once)

        door.__name__, door.__doc__ = do.__name__, do.__doc__
        door.may = may  # type: ignore[attr-defined] # a viewset reads it from its method
        shown = extend_schema(
            request=None if takes is Nothing else takes,
            responses={204: None}
            if gives is None
            else {status: gives} | ({204: None} if may_be_none else {}),
        )(door)
        if do.__name__ == "create":
            return shown
        return action(detail=is_one, methods=["post"], url_path=do.__name__.replace("_", "-"))(shown)

    return make


def _plain(shown: Any) -> Any:
    """Return what is sent as JSON knows it: times and ids are texts."""
    return json.loads(JSONRenderer().render(shown))


def _answer(request: Request, caller: Caller, act: Callable[[], Reply], *, keep: Keeper) -> Response:
    """Do it, or tell again what was answered to the same key."""
    key = request.headers.get(KEY_HEADER, "")
    if not key:
        reply, is_kept = act(), False
    else:
        if not key.isprintable() or len(key) > 200:
            raise BadArguments(at=KEY_HEADER, expected="1 to 200 printable characters")
        digest = digest_of([request.method, request.path, request.data])
        reply, is_kept = keep(caller.key, key=key, digest=digest, do=act)
    headers = {"Idempotent-Replayed": "true"} if is_kept else {}
    return Response(reply.body, status=reply.status, headers=headers)
