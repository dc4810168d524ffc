"""Whether database and data belong together, and what in the place is another portal's."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

from portal.doctor.finding import Finding
from sessions.backends import get_backend
from sessions.conditionwords import in_words
from sessions.installation import belonging
from sessions.installation.decision import Verdict

NAMED = 5


def check() -> Iterator[Finding]:
    verdict = belonging.judge()
    if verdict not in {Verdict.FITS, Verdict.GIVE}:
        said = in_words(belonging.PART, verdict.value)
        yield Finding(said.id, said.message, said.hint)
        return
    if others := get_backend().foreign():
        message = _("The namespace has %(count)d things of another portal: %(names)s.")
        words = {"count": len(others), "names": ", ".join(others[:NAMED])}
        hint = _("They are left alone. Give each portal a namespace of its own.")
        yield Finding("doctor.foreign", message % words, hint, advice=True)
