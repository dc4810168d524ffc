"""The admin of projects, sessions, builds, removals and rules: read-only, with actions.

`bulk_action` has the base class of lists and pages, and actions with a confirmation page; `display`
formats rows, states and histories, and `filters` has filters and searches. Nothing here changes a
state itself: actions call `lifecycle`.
"""

from sessions.admin import build, project, removals, rule, session

__all__ = ["build", "project", "removals", "rule", "session"]
