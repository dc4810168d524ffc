"""Projects, builds and sessions: from a repository's address to a running notebook.

The app's label is ``notebook_sessions``, because Django's own sessions app has the label
``sessions``: tables, admin URLs and permissions carry the long one, imports the short one.
"""
