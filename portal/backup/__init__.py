"""Backup and restore of one installation: what ``manage.py back_up`` and ``restore`` do.

A backup is a folder: the database, people's and projects' files as archives, the two keys, and a
manifest that is written last and says what each file has to be. `making` and `restoring` put
together what `database`, `archives` and `manifest` know how to do; `afterwards` tells the restored
rows that their notebooks and builds are not there.
"""
