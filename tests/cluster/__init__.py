"""What needs a real Kubernetes cluster: the one that KUBECONFIG names, which may be thrown away.

Its API server's host also serves the images (``TEST_REGISTRY`` names another place), among them
``jupyter:1``, an image with JupyterLab, and ``bindery-builder:1``, which ``bin/test-cluster``
makes. Pods must reach this machine, where the tests' git server is.
"""
