"""Backup and restore of one installation, for ``manage.py back_up`` and ``manage.py restore``.

A backup is a folder: the database, an archive for each person's and each project's folder, the two
keys, and a manifest. The manifest is written last and says what each file must be and what is
missing.

- `create`: `folders` lists what there is, `survey` reads it, `archives` packs it and checks the
  archive against what `survey` saw; `swap` makes the whole backup appear at once.
- `restore`: `preconditions` checks first and records that a restore is under way, `folders` unpacks
  beside the target, `swap` exchanges; sessions and builds in the restored rows are ended.
- `rehearsal` does the same beside the portal, where nothing is at stake, and inspects the result.
- `volume`: the same archives for one volume of a cluster, as a program in a pod.
- `database`, `postgresql`: the copy of the database, and which tables are the portal's.
- `manifest` writes and reads the manifest; `programs` runs tar and PostgreSQL's programs.
"""

INCOMPLETE = 3
"""The exit status if a backup or restore is done, but something is missing from it."""
