"""The REST API of projects: translates requests to `lifecycle` and rows to JSON."""
