"""The data drill: people write files while everything goes wrong, and nothing may be lost.

    python -m bench.datadrill --minutes 20 --seed 7

Like `bench.drill`, whose stage and killer it uses, it works from outside the portal. `writers`
write files into their projects and volumes and note in `files` what each may hold; `slips` are
operators' mistakes and machines' accidents; `inspection` reads every file again at the end.
"""
