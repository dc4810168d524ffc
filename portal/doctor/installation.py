"""Whether database and data belong together, and what in the place is another's or nobody's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.doctor.finding import Finding
from sessions.backends import get_backend
from sessions.conditionwords import in_words
from sessions.installation import belonging
from sessions.installation.decision import Verdict
from sessions.installation.known import known

NAMED = 5


def check() -> Iterator[Finding]:
    verdict = belonging.judge()
    if verdict not in {Verdict.FITS, Verdict.GIVE}:
        said = in_words(belonging.PART, verdict.value)
        yield Finding(said.id, said.message, said.hint)
        return
    backend = get_backend()
    if others := backend.foreign():
        message = ngettext(
            "The namespace has %(count)d thing of another portal: %(names)s.",
            "The namespace has %(count)d things of another portal: %(names)s.",
            len(others),
        )
        hint = _("They are left alone. Give each portal a namespace of its own.")
        yield Finding("doctor.foreign", message % _named(others), hint, advice=True)
    there = backend.found()
    if nobodys := sorted(there.volumes - known(there).volumes):
        message = ngettext(
            "%(count)d volume belongs to nobody that the database knows: %(names)s.",
            "%(count)d volumes belong to nobody that the database knows: %(names)s.",
            len(nobodys),
        )
        hint = _("The portal never removes a volume. Look whose files are in them.")
        yield Finding("doctor.volumes", message % _named(nobodys), hint, advice=True)


def _named(names: Sequence[str]) -> dict[str, object]:
    return {"count": len(names), "names": ", ".join(names[:NAMED])}
