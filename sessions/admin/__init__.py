"""The admin of projects, sessions, builds, removals and rules: staff look, and act through
`lifecycle`.

`look` is what their lists and pages have in common, `shown` how a row's things are written,
`filters` what lists are narrowed by, `search` how they are searched, `deeds` the actions with their
page of confirmation, `story` what happened to a project, `export` the files. Nothing here moves a
state itself.
"""

from sessions.admin import build, project, removal, rule, session, setaside

__all__ = ["build", "project", "removal", "rule", "session", "setaside"]
