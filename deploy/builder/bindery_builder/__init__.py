"""The program that the containers of a build pod run: `bindery-build <stage>`, see `main`.

A package of its own: it is installed in the builder image and knows nothing of the portal.
"""
