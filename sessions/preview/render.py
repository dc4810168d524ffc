"""Turn the text of a notebook or a README into harmless HTML of bounded length.

nbconvert makes the HTML. Scripts, forms, frames, addresses and whatever else could do something are
then taken out of it; images stay if they are in the text itself. The page that shows it forbids the
same things again (`portal.pages.preview`).

What is imported here is all that there will be: nothing can be loaded any more when the file is
read (`lockdown`), so `warm_up` renders an example first.
"""

from __future__ import annotations

import codecs
import importlib
import json
import re
import sys
from functools import cache
from html import escape
from typing import Any

import nbformat
from bleach.css_sanitizer import CSSSanitizer
from bleach.sanitizer import Cleaner
from nbconvert.exporters.html import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import reader, v4, validator
from pygments import lexers
from traitlets.config import Config

from . import CUT, MAX_OUTPUT_BYTES

MAX_CELLS = 500
MAX_TEXT = 300_000
"""Most characters of a cell's text, of a README, and of an output that is no image."""
_BUDGET = MAX_OUTPUT_BYTES // 2
"""Bytes of cells and outputs that are shown; markup adds to them."""
_LEFT_OUT = "(This output is too long for the preview.)"
_UNSEEN = re.compile(r"<(script|style|svg|template|title)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
"""Text that is not to be read; it is left out for the looks, and harmless without this."""
_LANGUAGES = (
    *("c_cpp", "configs", "data", "diff", "html", "javascript", "julia", "markup", "matlab"),
    *("python", "r", "shell", "special", "sql"),
)
_SHOWN = (
    *("text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/latex"),
    "text/plain",
)
_VERSIONS = (3, 0), (4, v4.nbformat_minor)
"""Versions that are checked when an older notebook is converted."""

_TAGS = frozenset((
    "a", "abbr", "b", "blockquote", "br", "caption", "code", "col", "colgroup", "dd", "del",
    "details", "div", "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6",
    "hr", "i", "img", "ins", "kbd", "li", "mark", "ol", "p", "pre", "q", "s", "samp", "section",
    "small", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th",
    "thead", "tr", "u", "ul", "var",
))  # fmt: skip
_ATTRIBUTES = frozenset((
    "align", "alt", "class", "colspan", "dir", "height", "lang", "rowspan", "scope", "style",
    "title", "width",
))  # fmt: skip
_STYLES = frozenset((
    "background-color", "color", "font-style", "font-weight", "text-align", "text-decoration",
    "vertical-align", "white-space",
))  # fmt: skip


def notebook(text: str) -> str:
    """Return a notebook of any version as HTML. Raises an error if it is not one."""
    found = nbformat.convert(reader.reads(text), 4)
    return _clean(_exporter().from_notebook_node(_shortened(found))[0])


def markdown(text: str) -> str:
    """Return Markdown as HTML."""
    renderer = IPythonRenderer(escape=False, exclude_anchor_links=True)
    html = MarkdownWithMath(renderer).render(text[:MAX_TEXT])
    return f'<div class="rendered_html">{_clean(html)}</div>{_cut_note(text)}'


def plain(text: str) -> str:
    """Return any other text as it is."""
    return f"<pre>{escape(text[:MAX_TEXT])}</pre>{_cut_note(text)}"


def warm_up() -> None:
    """Load everything that rendering may need."""
    for name in _LANGUAGES:
        importlib.import_module(f"pygments.lexers.{name}")
    for name, entry in list(lexers.LEXERS.items()):
        if entry[0] not in sys.modules:
            del lexers.LEXERS[name]  # unknown rather than missing
    for name in ("utf-8-sig", "utf-16", "utf-32"):
        codecs.lookup(name)
    for version in _VERSIONS:
        validator.get_validator(*version)
    data = {"text/html": "<b style='color: red'>1</b>", "image/svg+xml": "<svg/>"}
    outputs = [
        v4.new_output("stream", text="\x1b[31m1"),
        *(v4.new_output("display_data", {kind: value}) for kind, value in data.items()),
        v4.new_output("execute_result", {"text/plain": "1"}),
        v4.new_output("error", ename="E", evalue="", traceback=["\x1b[31mE"]),
    ]
    example = v4.new_notebook(
        cells=[
            v4.new_markdown_cell("# A\n\n| a |\n|-|\n| b |\n\n```python\n1\n```\n\n```x\n1\n```"),
            v4.new_code_cell("1", outputs=outputs),
            v4.new_raw_cell("1"),
        ]
    )
    notebook(json.dumps(example))
    markdown("<b>1</b>")


@cache
def _exporter() -> HTMLExporter:
    config = Config({"NbConvertBase": {"display_data_priority": list(_SHOWN)}})
    exporter = HTMLExporter(
        config=config, template_name="basic", exclude_anchor_links=True, default_preprocessors=[]
    )
    exporter._preprocessors.clear()  # noqa: SLF001  with any, it insists on a valid notebook
    exporter.environment.auto_reload = False  # it would look at the templates' files
    return exporter


def _shortened(found: Any) -> Any:
    """Return the notebook with as many of its cells as may be shown."""
    room, cells = _BUDGET, []
    for cell in found.cells[:MAX_CELLS]:
        room -= len(cell.source)
        if room < 0 or len(cell.source) > MAX_TEXT:
            break
        cells.append(cell)
        for output in cell.get("outputs", ()):
            room -= _shorten(output, room)
    if len(cells) < len(found.cells):
        cells.append(v4.new_markdown_cell(f"*{CUT}*"))
    found.cells = cells
    found.metadata.pop("widgets", None)  # programs would need them
    return found


def _shorten(output: Any, room: int) -> int:
    """Leave only what is shown of an output, if it is short enough; return its length."""
    if output.output_type in {"display_data", "execute_result"}:
        data = {kind: value for kind in _SHOWN if (value := output.data.get(kind)) is not None}
        kind = next(iter(data), "text/plain")
        output.data = type(output.data)({kind: data.get(kind, "")})
    size = len(json.dumps(output))
    is_image = any(kind.startswith("image/") for kind in output.get("data", ()))
    if size <= room and (is_image or size <= MAX_TEXT):
        return size
    output.clear()
    output.update(v4.new_output("stream", text=_LEFT_OUT))
    return len(_LEFT_OUT)


def _cut_note(text: str) -> str:
    return f"<p><em>{CUT}</em></p>" if len(text) > MAX_TEXT else ""


def _is_allowed(tag: str, name: str, value: str) -> bool:
    """Return whether a tag may keep an attribute: no address but of images in the text itself."""
    if tag == "img" and name == "src":
        return value.startswith("data:image/")
    return name in _ATTRIBUTES


_cleaner = Cleaner(
    tags=_TAGS,
    attributes=_is_allowed,
    protocols={"data"},
    css_sanitizer=CSSSanitizer(allowed_css_properties=_STYLES),
    strip=True,
)


def _clean(html: str) -> str:
    return str(_cleaner.clean(_UNSEEN.sub("", html)))
