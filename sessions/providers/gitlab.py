"""The provider ``gl``: ``group/subgroup/repository`` and the pages of gitlab.com."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from django.utils.translation import gettext as _

from sessions.providers.address import refuse
from sessions.providers.forge import Forge

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
_MOST_GROUPS = 21


class GitLab(Forge):
    """gitlab.com; its pages stand behind ``/-/``, because groups may be nested."""

    key = "gl"
    label = "GitLab"
    hosts: ClassVar = frozenset({"gitlab.com", "www.gitlab.com"})

    def split(self, segments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
        end = segments.index("-") if "-" in segments else len(segments)
        names = segments[:end]
        if not 2 <= len(names) <= _MOST_GROUPS or not all(map(_NAME.fullmatch, names)):
            refuse(_("On GitLab a repository is written group/repository, such as ada/flowers."))
        return names, segments[end + 1 :]
