"""Let pages of the origins in `PORTAL_CORS_ORIGINS` use notebooks with API tokens, never cookies.

A browser asks first whether another site's page may send a token (a preflight; the Fetch standard,
section 3.2). The answer is the same for every project, so it reveals none. No answer allows
credentials, which are what the browser would send on its own.
"""

from __future__ import annotations

import re

from .headers import Headers
from .request import GatewayRequest

METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
USUAL_HEADERS = "authorization, content-type"
MAX_AGE = b"600"
"""Seconds for which a browser may keep the answer to a preflight."""
_HEADER_NAMES = re.compile(r"[\w!#$%&'*+.^`|~, -]{1,1000}", re.ASCII)


def is_preflight(request: GatewayRequest) -> bool:
    """Return whether a browser asks what a page of a listed origin may send."""
    return (
        request.method == "OPTIONS"
        and b"access-control-request-method" in request.header_map
        and bool(request.listed_origin)
    )


def preflight_headers(request: GatewayRequest) -> Headers:
    """Return headers that allow all methods of Jupyter's API, and those that the page asks for."""
    wanted = request.header(b"access-control-request-headers")
    allowed = wanted if _HEADER_NAMES.fullmatch(wanted) else USUAL_HEADERS
    return [
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", allowed.encode()),
        (b"access-control-max-age", MAX_AGE),
    ]


def for_origin(headers: Headers, request: GatewayRequest) -> Headers:
    """Return a response's headers so that the page that sent the request may read it.

    They stay as they are unless it is a listed origin's. What a notebook itself allows does not
    count then: two answers would be none.
    """
    listed = request.listed_origin
    if not listed:
        return headers
    own = (b"access-control-allow-origin", b"access-control-allow-credentials")
    return [
        *(field for field in headers if field[0] not in own),
        (b"access-control-allow-origin", listed.encode()),
        (b"access-control-expose-headers", b"*"),
        (b"vary", b"Origin"),
    ]
