"""Whether database and place belong together, and what becomes of what no row asks for.

A *place* is where a back end keeps things: the data folder of one machine, a namespace of a
cluster. Place and database bear one id; while they do not, nothing is removed by inference and
nothing is started. `decision` has the rules, `known` compares with the rows, `belonging` asks and
says how it is, `adopting` puts it right for ``manage.py adopt``, `asides` has what was set aside,
`numbers` the numbers that rows have been given. `lifecycle.leftovers` ends and sets aside.
"""
