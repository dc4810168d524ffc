"""The REST API of projects: requests become calls of `sessions.lifecycle`, rows become JSON."""
