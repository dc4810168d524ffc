"""What the portal logs: one form for web, worker and watch, and for the libraries in them.

- `context`: what is said with each line: the reference, and which rows it is about.
- `requests`, `person`, `tasks`: put it there, for a request and for a task.
- `lines`: the two forms, for people and for programs; `secrecy`: what is left out of both.
- `passing`: how `manage.py up` hands on what its parts log.

Whoever logs something uses `logging` and writes a sentence; all the rest comes by itself.
"""
