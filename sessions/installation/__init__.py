"""Check that database and place belong together, and look after what was set aside.

A *place* is where a back end keeps things: the data folder of one machine, a namespace of a
cluster. Place and database bear one id; while they do not, nothing is removed by inference and
nothing is started.

- `known`: which of the things found have a row, the numbers that rows were given, and what follows
  from them.
- `ownership`: compares the ids, records the result, and brings database and place together for
  ``manage.py adopt``.
- `set_aside`: folders without a row that were set aside.

`sessions.lifecycle.orphans` ends and sets aside.
"""
