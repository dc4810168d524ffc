"""The admin site: its home page, and the guard before every model's admin.

Apart from `portal.admin`, whose import registers models on this site.
"""
