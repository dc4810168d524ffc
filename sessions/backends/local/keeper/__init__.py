"""The keeper: a small process that runs one build or one notebook, started by `keeper_processes`.

The portal's processes come and go; a keeper stays until its work is done. It is nobody's child,
runs `bwrap` as its own, enforces limits, and reports in files of its run folder (`status`, `log`).
Standard library only, one thread, no Django: it drops its privileges at the start, after which it
may be unable to read the portal's code or environment. For that reason its messages are English;
the codes beside them are what can be translated.
"""
