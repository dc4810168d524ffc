"""The admin of projects, sessions, builds, removals and rules: read-only, with actions.

`readonly` has the base class of lists and pages, `display` formats rows, states and histories,
`filters` has filters and searches, and `bulk_action` has actions with a confirmation page. Nothing
here changes a state itself: actions call `lifecycle`.
"""

from sessions.admin import build, project, removals, rule, session

__all__ = ["build", "project", "removals", "rule", "session"]
