"""Read the files in which a repository describes its environment, in every form that people write.

`prepare` makes plain ones of them for the tools that parse them, and puts the originals back after
the build; `names` knows which files there are, `summary` says which of them a build uses, and
`hints` explains failures of the usual kinds. Standard library only: local builds run it in a
sandbox, and the builder's image has a copy.
"""
