"""Move in from a JupyterHub: `source` reads what it has, `plan` says what follows here and does it.

``manage.py import_hub`` is the way in. The hub itself is only read.
"""
