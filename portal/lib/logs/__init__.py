"""Logging in one format for web, worker and watch, and for the libraries in them.

- `context`: the fields of each line: the reference, and which rows it is about.
- `requests`: binds them for each request and each task.
- `formats`: formats lines for people or as JSON, including the output that `manage.py up` relays;
  removes secrets and makes invisible characters visible.

Call `logging` with a sentence; everything else is added automatically.
"""
