"""`/metrics`: how the portal does, for Prometheus (``docs/monitor.md``).

- `counting`: what this web process has answered; each process knows its own.
- `totals`: what has happened since the installation, from the tallies of `sessions.tallies`.
- `figures`: how things are now, from a handful of queries.
- `scrape`: all three as one text, also while the database is away.
- `door`: who may read it.

No label has a value that grows with people, projects, repositories or addresses.
"""
