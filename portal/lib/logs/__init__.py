"""One form of log for web, worker and watch, and for the libraries in them.

- `context`: fields of each line: the reference, and which rows it is about.
- `requests`: sets them for a request and for a task.
- `formats`: lines for people or JSON for programs, also of what `manage.py up` passes on.
- `redaction`: removes secrets and shows invisible characters.

Log with `logging` and write a sentence; all the rest comes by itself.
"""
