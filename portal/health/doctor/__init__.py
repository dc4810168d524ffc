"""``manage.py doctor``: find out what is wrong with an installation, and how to fix it.

Each module has checks of one subject: functions that yield a `Finding` for whatever is not as it
should be. `runner` lists them in order of importance and runs them.
"""
