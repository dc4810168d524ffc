"""``manage.py doctor``: what is wrong with an installation, and how it is mended.

Each module has checks of one thing, functions that yield a `Finding` for whatever is not as it
should be; `runner` lists them in the order of their importance and runs them.
"""
