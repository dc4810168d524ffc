"""Measure a portal with many notebooks on a real API server, whose nodes and pods are simulated.

`python -m bench.scale --notebooks 1000` needs a disposable cluster (KUBECONFIG) that nobody else
uses meanwhile: its own nodes are cordoned. `nodes` makes Node objects and keeps them alive,
`kubelet` plays the kubelet of their pods with the statuses from `pods`, `answers` stands in for
JupyterLab, the registry and the kubelet's logs. `stage` starts the portal, `costs` reads what it
uses, `play` launches and measures. `passes` measures watch alone, without a cluster.
``docs/scale.md`` has the results.
"""
