"""Projects' files in people's volumes: /home/jovyan of a notebook is the folder
``.bindery/projects/<project>`` of its person's volume.

`pods` and `program` are what the cluster is given, `errands` sends helpers, `words` reads what
containers say. In pods run `settle` (before the notebook starts) and `helper` (while nothing
runs), with `way` and `tree`.
"""
