"""Ask the servers of running notebooks now and then what they do.

`loop` starts a round when one is due and stores the results, `probe` asks many servers at once
and parses their answers. Messages that people send through the gateway are noted there
(`gateway.activity`); both write `Project.last_activity`.
"""
