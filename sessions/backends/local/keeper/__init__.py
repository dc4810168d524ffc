"""What holds one build or one notebook: a small process of its own, started by `launch`.

The portal's processes come and go, a keeper stays until its work is done: it is nobody's
child, runs `bwrap` as its own, bounds it, and leaves what it sees in files of its run folder
(`status`, `log`). Standard library only, one thread, no Django: it gives up its rights at the
start, after which neither the portal's code nor its environment need be readable for it. Its
sentences are English for that reason; the codes beside them are what can be translated.
"""
