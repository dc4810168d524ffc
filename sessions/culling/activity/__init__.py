"""Ask the servers of running notebooks regularly what they do.

`loop` starts a round when one is due and stores the results; `probe` asks many servers at once and
parses their answers. The gateway notes messages that people send through it
(`sessions.gateway.activity`); both write `Project.last_activity`.
"""
