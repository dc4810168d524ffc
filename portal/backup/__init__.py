"""Backup and restore of one installation: what ``manage.py back_up`` and ``restore`` do.

A backup is a folder: the database, an archive for each person's and each project's folder, the two
keys, and a manifest that is written last and says what each file has to be and what is not in it.

- `create`: `folders` says what there is, `survey` looks at it, `archives` packs it and holds the
  archive against what was seen; `swap` has the whole appear at once.
- `restore`: `preconditions` asks and remembers that this is under way, `folders` unpacks beside,
  `swap` exchanges; the restored rows are told that nothing of theirs runs.
- `rehearsal` does so beside the portal, where nothing is at stake, and looks at the result.
- `volume`: the same archives for one volume of a cluster, as a program in a pod.
- `database`, `postgresql`, `tables`: the copy of the database, and which tables are the portal's.
"""
