"""Files that somebody wrote are rendered as text, with nothing that could do something."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import pytest

from sessions.preview import CUT, MAX_INPUT_BYTES, MAX_OUTPUT_BYTES, run
from tests.hostile import ACTIVE_HTML

pytestmark = pytest.mark.servers

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
INERT = frozenset((
    "a", "b", "blockquote", "br", "code", "details", "div", "dl", "em", "h1", "h2", "h3", "hr", "i",
    "img", "li", "ol", "p", "pre", "s", "span", "strong", "summary", "table", "tbody", "td", "th",
    "thead", "tr", "ul",
))  # fmt: skip


class Seen(HTMLParser):
    """Collects the tags of a page, with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def require_inert(html: str) -> None:
    for tag, attributes in Seen(html).tags:
        assert tag in INERT
        assert (attributes.pop("src", None) or "data:image/").startswith("data:image/"), attributes
        assert attributes.keys() <= {"alt", "class", "height", "style", "title", "width"}
        assert "url" not in (attributes.get("style") or "")


def shown(name: str, content: str | bytes) -> str:
    rendered = run.render(name, content if isinstance(content, bytes) else content.encode())
    assert rendered.code == ""
    return rendered.html


def refused(name: str, content: bytes) -> str:
    rendered = run.render(name, content)
    assert rendered.html == ""
    return rendered.code


def notebook(*cells: dict[str, Any], **more: Any) -> str:
    return json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells} | more)


def code(source: str = "1", *outputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    cell = {"cell_type": "code", "execution_count": 7, "metadata": {}, "source": source}
    return cell | {"outputs": outputs} | more


def text(source: str, **more: Any) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source} | more


def data(kind: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "metadata": {}, "data": {kind: value}} | more


def test_a_readme_is_shown_with_its_headings_tables_and_code():
    html = shown("README.md", "# Flowers\n\n|a|b|\n|-|-|\n|1|2|\n\n```python\nimport os\n```\n")
    assert "<h1>Flowers</h1>" in html
    assert "<td>1</td>" in html
    assert '<span class="kn">import</span>' in html
    assert shown("notes.rst", "Title\n=====\n<b>") == "<pre>Title\n=====\n&lt;b&gt;</pre>"


def test_a_notebook_is_shown_with_its_outputs_and_their_images():
    traceback = {"output_type": "error", "ename": "E", "evalue": "x", "traceback": ["\x1b[31mOh"]}
    outputs = (
        {"output_type": "stream", "name": "stdout", "text": ["said\n"]},
        data("image/png", PIXEL),
        data("image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>"),
        data("text/html", "<table><tr><td style='text-align: right'>9</td></tr></table>"),
        traceback,
    )
    html = shown("a.ipynb", notebook(text("# Bees"), code("print('x')", *outputs)))
    require_inert(html)
    images = [tags["src"] or "" for tag, tags in Seen(html).tags if tag == "img"]
    assert [image.partition(",")[0] for image in images] == [
        "data:image/png;base64",
        "data:image/svg+xml;base64",
    ]
    for expected in ("<h1>Bees</h1>", "In\xa0[7]:", "said", "text-align: right", "ansi-red-fg"):
        assert expected in html


@pytest.mark.parametrize("name", ["README.md", "a.ipynb"])
def test_nothing_that_could_act_is_left_of_a_hostile_file(name: str):
    hostile = "\n\n".join(ACTIVE_HTML)
    if name == "README.md":
        content = hostile
    else:
        kinds = ("text/html", "text/markdown", "text/latex", "image/png", "image/jpeg")
        widget = data("application/vnd.jupyter.widget-view+json", {"model_id": "1"})
        isolated = {"metadata": {"text/html": {"isolated": True}, "image/png": {"alt": "'><p id"}}}
        outputs = [
            data(kind, one, **isolated) for kind in kinds for one in (hostile, *ACTIVE_HTML[:2])
        ]
        outputs += [data("application/javascript", "run()"), widget]
        tags = {"tags": ['"><script>run()</script>']}
        content = notebook(
            text(hostile, metadata=tags, id='"><script>run()</script>'),
            *(text(one) for one in ACTIVE_HTML),
            code("1", *outputs, metadata=tags, execution_count="<script>run()</script>"),
            {"cell_type": "raw", "metadata": {"raw_mimetype": ""}, "source": hostile},
            metadata={"language_info": {"name": "<script>run()</script>"}, "widgets": {"x": 1}},
        )
    html = shown(name, content)
    require_inert(html)
    assert "the end" in html


@pytest.mark.parametrize("version", [2, 3])
def test_notebooks_of_old_formats_are_shown(version: int):
    cell = {"cell_type": "code", "input": "old = 1", "language": "python", "outputs": []}
    cells = [cell | {"prompt_number": 1, "collapsed": False}]
    old = {"nbformat": version, "nbformat_minor": 0, "metadata": {"name": "x"}}
    assert "old" in shown("a.ipynb", json.dumps(old | {"worksheets": [{"cells": cells}]}))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"nbformat": 99, "cells": []}',
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": 1, "cells": [{"cell_type": "x"}]}',
    ],
)
def test_what_is_no_notebook_is_not_shown(content: bytes):
    assert refused("a.ipynb", content) == run.INVALID_CODE


def test_a_notebook_that_is_too_large_is_cut_and_one_far_too_large_is_not_read():
    plot = code("plot()", data("image/png", PIXEL * 1500))
    html = shown("a.ipynb", notebook(*[plot] * 12, code("last()")))
    assert len(html) < MAX_OUTPUT_BYTES
    assert html.count("<img") == 7
    assert "too long for the preview" in html
    assert "last" in html
    long = shown("a.ipynb", notebook(*[code("many()")] * 600))
    assert long.count("many") == 500
    assert CUT in long
    assert CUT in shown("README.md", "word " * 200_000)
    assert refused("a.ipynb", b" " * (MAX_INPUT_BYTES + 1)) == run.TOO_LARGE_CODE


def test_a_readme_in_another_encoding_is_read():
    assert "<p>Blüte\N{REPLACEMENT CHARACTER}x</p>" in shown("README.md", b"Bl\xfcte\0x")
    assert "<p>Blüte</p>" in shown("README.md", "Blüte".encode("utf-16"))
    assert "<p># coding: koi8-r" not in shown("README.md", b"# coding: koi8-r\nx")
