"""Portals to be measured: `whole` as people run it, `alone` the web process with rows made for it.

`people`, `phases` and `prepared` run inside one, with its settings.
"""
