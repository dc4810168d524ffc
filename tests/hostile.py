"""Hostile input: values that a column, a codec or a number cannot hold, and text that means
something elsewhere. For tests that send each of them everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.db import transaction
from django.test import Client

NUL = "a\0b"
HALF = "%ED%A0%80"
"""Half of a surrogate pair, as it is written in an address."""
VALUES = (
    *("", " ", "0", "-1", "1.5", "abc", "true", "None", "é", "٣", "१", "²", "+1", "1_0", " 1"),
    *("2147483648", "-2147483649", "9223372036854775808", "9" * 18, "9" * 26, "-" + "9" * 26),
    *("9" * 5000, "1e400", "-1e400", "nan", "inf", "1e-400", "0x10"),
    *("0001-01-01", "9999-12-31", "9999-12-31 23:59:59", "0000-00-00", "2026-02-30", "0001-01"),
    *("2026-01-01T00:00:00+99:99", "10000-01-01", "9999-12"),
    *(NUL, "\0", "\\000", "\u202e", "\ufeff", "\ufffe", "\u2028", "\x1b[2J", "😀"),
    *("x" * 300, "x" * 10_000, "[" * 5000, "[]", "{}", "1,2", ",", "a.b", "-1.-2", "1.99999999999"),
    *("' OR 1=1 --", '"', "'", "\\", "%", "%00", "_", "*", "?", "(", "[", "(?:", "..", "../../x"),
    *("\r\nSet-Cookie: x=1", "<script>", "{{ 7 }}", "//evil.example.org", "javascript:alert(1)"),
    *(HALF, "__class__", "pk", "id__in", "user__password__startswith"),
)

ELSEWHERE = "https://elsewhere.example"
ACTIVE_HTML = (
    *("<script>run()</script>", "<img src=x onerror=run()>", "<svg onload=run()><script>run()"),
    *("</svg>", "<math><mtext><img src=x onerror=run()></mtext></math>"),
    f"<meta http-equiv=refresh content='0;url={ELSEWHERE}/refresh'><base href='{ELSEWHERE}/'>",
    f"<img src={ELSEWHERE}/image srcset='{ELSEWHERE}/image 2x'> ![i]({ELSEWHERE}/markdown)",
    f"<link rel=stylesheet href={ELSEWHERE}/sheet><link rel=dns-prefetch href={ELSEWHERE}>",
    f"<style>@import url({ELSEWHERE}/import); body {{ background: url({ELSEWHERE}/body) }}</style>",
    f"<p style=\"background: url('{ELSEWHERE}/style'); position: fixed; color: red\">a</p>",
    f"<a href='javascript:run()' ping={ELSEWHERE}/ping>a</a> [b](javascript:run())",
    f"<a href='{ELSEWHERE}/link' target=_top>b</a> [c]({ELSEWHERE}/link) <{ELSEWHERE}/auto>",
    f"<form action={ELSEWHERE}/form><input name=a autofocus onfocus=run()><button>b</button>",
    f"<iframe src={ELSEWHERE}/frame></iframe><iframe srcdoc='<script>run()</script>'></iframe>",
    f"<object data={ELSEWHERE}/object></object><embed src={ELSEWHERE}/embed>",
    f"<video src={ELSEWHERE}/video autoplay poster={ELSEWHERE}/poster></video>",
    "<details open ontoggle=run()><summary>s</summary>d</details><template><p>t</template>",
    "<div hx-get=/account/ hx-trigger=load data-x=1 id=main onclick=run()>d</div>",
    "<noscript><p title='</noscript><img src=x onerror=run()>'></noscript>",
    "<b title='\"><img src=x onerror=run()>'>b</b> &lt;script&gt;",
    "</div></div></body></html><!-- x --><p>the end",
)
"""HTML and Markdown that runs ``run()`` or asks `ELSEWHERE` for something, where it may."""

Try = tuple[str, Any, Callable[[], Any]]
Failure = tuple[str, Any, str]


AMOUNTS = [
    pytest.param(50, id="some"),
    pytest.param(
        2500,
        id="many",
        marks=[pytest.mark.long, pytest.mark.slow("thousands of requests", seconds=3600)],
    ),
]
"""How many requests each test sends."""


def get(client: Client, address: str, name: str, value: str) -> Any:
    """Request a page with one such value in the query."""
    return client.get(f"{address}?{query(name, value)}")


def query(name: str, value: str) -> str:
    """Return the query, with half of a surrogate pair for `HALF`."""
    return urlencode({name: value}).replace(quote(HALF, safe=""), HALF)


def broken(tries: Iterable[Try], most: int) -> list[Failure]:
    """Do ``most`` of these, the same ones each time, and undo each; return which raised an error,
    with it, or were answered with 500.
    """
    found = list(tries)
    chosen = found if len(found) <= most else Random(most).sample(found, most)
    return list(_broken(chosen))


def _broken(tries: Iterable[Try]) -> Iterator[Failure]:
    for where, what, do in tries:
        try:
            with transaction.atomic():
                status = do().status_code
                transaction.set_rollback(True)
        except Exception as error:  # noqa: BLE001  any is what is looked for
            yield where, what, repr(error)[:300]
        else:
            if status == 500:
                yield where, what, f"status {status}"
