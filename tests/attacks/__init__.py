"""Attacks on a whole portal: from inside a notebook, from inside a build, from the network, from a
browser and by staff.

An attempt is data: a row of a table in the package of its point of view (`sandbox`, `build`,
`network`, `browser`, `staff`, `policies`). A module ``test_from_…`` or ``test_by_…`` runs the
table, each attempt as one test. The same tables have attempts that are expected to succeed, as
controls: without them a harness that does nothing would report that everything held.

The same tables run on one machine (here) and on a cluster (`tests/cluster/test_attacks.py`);
``backends`` says where an attempt makes sense. All attempts end by themselves, are bounded, and aim
at nothing but the portal under test.
"""
