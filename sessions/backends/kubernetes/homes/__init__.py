"""Projects' files in people's volumes.

/home/jovyan of a notebook is the folder ``.bindery/projects/<project>`` of its person's volume.
`pods` and `program` make what the cluster is given; `helper_pods` sends helper pods and reads what
containers report; `filespods` starts those that serve people's files, and `remote` asks them.
`volumes` is the back end's part of it. Inside pods run `prepare` (before the notebook starts),
`helper` and `serve` (while nothing runs), with `folders`.
"""
