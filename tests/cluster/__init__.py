"""Tests that need a real Kubernetes cluster: the one that KUBECONFIG names, which may be thrown
away.

Its API server's host also serves the images (``TEST_REGISTRY`` names another place), among them
``jupyter:1``, an image with JupyterLab. ``bin/test-cluster`` makes the builder's image and names it
in ``TEST_BUILDER_IMAGE``. Pods must reach this machine, where the tests' git server is.
"""
