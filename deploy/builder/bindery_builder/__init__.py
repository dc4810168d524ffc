"""The program that the containers of a build pod run: `bindery-build <stage>`, see `main`.

A package of its own, in the builder image. Of the portal it knows only modules that have a copy
there: `archives`, `configuration`, `gitclone`, `lines` and `onefile` of `sessions.repofiles`, and
`addresses` and `proxy` of `sessions.egress`.
"""
