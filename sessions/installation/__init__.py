"""Whether database and place belong together, and what becomes of what no row asks for.

A *place* is where a back end keeps things: the data folder of one machine, a namespace of a
cluster. Place and database bear one id; while they do not, nothing is removed by inference and
nothing is started. `rules` has the rules, `known` compares with the rows, `ownership` asks and
says how it is, `adopt` puts it right for ``manage.py adopt``, `set_aside` has what was set aside,
`known` the numbers that rows have been given. `lifecycle.leftovers` ends and sets aside.
"""
