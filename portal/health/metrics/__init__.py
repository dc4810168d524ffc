"""Metrics for Prometheus at ``/metrics`` (``docs/monitor.md``).

- `collectors`: requests that this web process has answered (each process knows its own), current
  values from a handful of queries, and totals since the installation, from the counters of
  `sessions.statistics.counters`.
- `views`: all of them as one text, also while the database is away, and who may read it.

No label has values that grow with people, projects, repositories or addresses.
"""
