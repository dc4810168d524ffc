"""The admin of limits: the site's, the bounds of support, grants, requests and profiles.

The limits of a person or a group are on their own pages, in `portal.admin`, which use
`limits_form` from here.
"""

from quotas.admin import grants, limits, profiles, requests

__all__ = ["grants", "limits", "profiles", "requests"]
