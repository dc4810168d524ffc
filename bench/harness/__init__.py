"""What the rows of the table have in common, and nothing of what they measure.

- `plan`: how often and how long, in full or quick; `row`: what a row is.
- `figures`: measured values, their middle and their bad end; `table`, `record`: written down.
- `turns`: portal and peer one after another; `load`: many requests at once; `use`: of processes.
- `ground`: what rows stand on (portals, peers, upstreams), started when first asked for.
"""
