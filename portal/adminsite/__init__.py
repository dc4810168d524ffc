"""The admin site: its home page, and the guard in front of every model's admin.

It is separate from `portal.admin` because importing that registers models on this site.
"""
