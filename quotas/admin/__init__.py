"""The admin of what the site may give: its limits, the bounds of support, grants, requests.

The limits of a person and of a group stand on their own pages, in `portal.admin`, which use
`figures` from here.
"""

from quotas.admin import grants, limits, requests

__all__ = ["grants", "limits", "requests"]
