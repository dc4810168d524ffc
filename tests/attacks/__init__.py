"""Attacks on a whole portal: from inside a notebook, from inside a build, from the network, from a
browser and by staff.

An attempt is data: a row of a table in the package of its point of view (`notebook`, `build`,
`network`, `browser`, `staff`, `policies`). A module ``test_from_…`` runs the table, each attempt
as one test. Attempts that are expected to succeed are in the same tables, as controls: without
them a harness that does nothing would find everything held.

The same tables run on one machine (here) and on a cluster (`tests/cluster/test_attacks.py`);
``backends`` says where an attempt makes sense. All of them end by themselves, are bounded, and
aim at the portal under test and nothing else.
"""
