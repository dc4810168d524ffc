"""The admin of projects, sessions, builds, removals and rules: staff look, and act through
`lifecycle`.

`readonly` has the base classes of lists and pages, `display` how rows, states and histories are
written, `filters` the filters and searches, `bulk_action` actions with a page of confirmation.
Nothing here moves a state itself.
"""

from sessions.admin import build, project, removals, rule, session

__all__ = ["build", "project", "removals", "rule", "session"]
