"""Handle ``Idempotency-Key``: a POST sent twice with one key happens once and is answered twice.

This follows draft-ietf-httpapi-idempotency-key-header. The change and its answer are stored in one
transaction, so after a crash there are both or neither: the key of a request that ended without an
answer is free again after a minute. Refusals (4xx) are stored like other answers. Errors of the
portal and temporary errors (5xx) are not, and may be retried with the same key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, cast

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.lib.db import retry_after_deadlock
from portal.models import User
from sessions.errors import BinderyError, StateConflict, UserError
from sessions.models import Idempotency

KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
MAX_KEY_LENGTH = 255


class KeyReused(UserError):
    """Raised if a key comes with another request than before."""

    status = 422


def run_once(view: APIView, request: Request, key: str, act: Callable[[], Response]) -> Response:
    """Return the answer of ``act``, or the stored answer if this request was handled before.

    Raises `UserError` if the key is not valid, `KeyReused` if it belongs to another request, and
    `StateConflict` if that request is still in progress or its answer held a secret.
    """
    _validate_key(key)
    digest = request_digest(request)
    row, is_new = Idempotency.objects.claim(cast(User, request.user), key, digest)
    if not is_new:
        return _replay(row, digest)
    try:
        return _run_and_store(view, row, act)
    except (APIException, BinderyError, Http404, PermissionDenied) as error:
        response = view.handle_exception(error)
        if response.status_code < 500:
            Idempotency.objects.store_response(row, response.status_code, _as_json(response.data))
            return response
        Idempotency.objects.release(row)
        return response
    except BaseException:
        Idempotency.objects.release(row)
        raise


def request_digest(request: Request) -> str:
    """Return a digest of a request; the spacing and key order of its JSON do not matter."""
    parts = [request.method, request.path, request.data]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@retry_after_deadlock
@transaction.atomic
def _run_and_store(view: APIView, row: Idempotency, act: Callable[[], Response]) -> Response:
    response = act()
    body = None if getattr(view, "has_secret_response", False) else _as_json(response.data)
    if not Idempotency.objects.store_response(row, response.status_code, body):
        raise _in_progress()  # this took so long that another attempt began
    return response


def _replay(row: Idempotency, digest: str) -> Response:
    if row.request != digest:
        text = _(
            "This Idempotency-Key was already used for a different request. Use a new key for "
            "each request, and repeat a key only to send the same request again."
        )
        raise KeyReused("idempotency.key-reused", text)
    if row.status is None:
        raise _in_progress()
    if row.body is None and row.status == 201:
        text = _(
            "An earlier request with this key succeeded, and its response held a secret, which is "
            "shown only once. If you did not receive that response, delete what it created and "
            "create another one with a new key."
        )
        raise StateConflict("idempotency.secret", text)
    return Response(row.body, status=row.status, headers={REPLAYED_HEADER: "true"})


def _in_progress() -> StateConflict:
    text = _("A request with this key is still in progress. Send it again in a few seconds.")
    return StateConflict("idempotency.in-progress", text)


def _validate_key(key: str) -> None:
    if not 0 < len(key) <= MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        text = _("An Idempotency-Key has 1 to %(most)d printable ASCII characters, such as a UUID.")
        raise UserError("idempotency.key", text % {"most": MAX_KEY_LENGTH})


def _as_json(data: Any) -> Any:
    """Return the data as it was sent: rendered to JSON and parsed."""
    return None if data is None else json.loads(JSONRenderer().render(data))
