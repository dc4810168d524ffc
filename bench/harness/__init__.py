"""The tools that the rows of the table share; nothing of what they measure.

- `plan`: how often and how long, in full or quick; `row`: what a row is.
- `figures`: measured values, their median and tail; `table`, `record`: output.
- `turns`: portal and peer in turn; `load`: many requests at once; `use`: processes' usage.
- `ground`: what rows stand on (portals, peers, upstreams), started when first asked for.
"""
