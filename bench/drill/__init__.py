"""The drill: people use a whole portal while its parts are killed, and all must come out right.

    python -m bench.drill --minutes 10 --seed 7

It works from outside the portal and knows only what people and operators know: the API, the
gateway, processes, files, rows. `people` act and write into the `ledger` what was accepted;
`killer` kills what `targets` names; `stage` is what they act on (`servers`, `onecluster`). At the
end `inspection` compares the ledger with reality: `promises` (states and kernels), `rows`,
`leftovers`; `report` prints the figures and each violation.
"""
