"""Clone repositories, read their files and merge them into people's, for programs without Django.

Keepers of the local back end import it. On Kubernetes, the text of `merge` runs in notebooks' pods,
and the builder's image has a copy of `archives`, `gitclone`, `lines`, `onefile` and
`configuration`.
"""

from __future__ import annotations

from .merge import program

__all__ = ["program"]
