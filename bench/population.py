"""Fill an empty PostgreSQL with the people, projects, sessions and logs of a large institute.

Uses SQL in the database itself, since there are two million rows. Everything is derived from the
row's number, so each run gives the same.
"""

from __future__ import annotations

from django.db import connection

PEOPLE = 10_000
PROJECTS = 50_000
SESSIONS = 200_000
LIVE = 2_000
BUILDS = 20_000
CHUNKS = 2_000_000

_STATEMENTS = (
    """
    INSERT INTO portal_user (username, password, first_name, last_name, email, is_superuser,
        is_staff, is_active, date_joined, last_login, issuer, subject, claimed)
    SELECT 'person' || n, '!', 'Given' || n, 'Family' || n % 997, 'person' || n || '@example.org',
        false, false, n % 50 <> 0, now() - n * interval '1 hour', now() - n * interval '7 minutes',
        'https://id.example.org', 'subject' || n, '[]'
    FROM generate_series(1, {people}) n
    """,
    """
    INSERT INTO notebook_sessions_build (url, ref, commit, image, fresh, state, pack, digest,
        resources, code, message, chunks, position, attempts, dropped, content, used,
        created, started, finished)
    SELECT 'https://git.example.org/owner' || n % 500 || '/repository' || n % 4000 || '.git',
        'main', md5(n::text) || '00000000', 'registry.example.org/image:' || n, false,
        CASE WHEN n % 12 = 0 THEN 'failed' ELSE 'built' END, 'Python', '', '',
        CASE WHEN n % 12 = 0 THEN 'build.requirements' ELSE '' END, '', {chunks} / {builds}, '', 1,
        false, '', at, at, at, at + (30 + n % 300) * interval '1 second'
    FROM (SELECT n, now() - ({builds} - n) * interval '20 minutes' AS at
          FROM generate_series(1, {builds}) n) numbered
    """,
    """
    INSERT INTO notebook_sessions_project (owner_id, name, provider, repository, url, ref, commit,
        path, tail, content, events_written, created, last_activity, removed)
    SELECT (SELECT min(id) FROM portal_user WHERE username LIKE 'person%') + n % {people},
        'owner' || n % 500 || '-repository-' || lpad(to_hex(n), 8, '0'), 'git',
        'git.example.org/owner' || n % 500 || '/repository' || n % 4000,
        'https://git.example.org/owner' || n % 500 || '/repository' || n % 4000 || '.git',
        'main', md5((1 + n % {builds})::text) || '00000000', '', '', '', 0,
        now() - n * interval '9 minutes', now() - n * interval '5 minutes',
        CASE WHEN n % 5 = 0 THEN now() END
    FROM generate_series(1, {projects}) n
    """,
    """
    INSERT INTO notebook_sessions_session (project_id, build_id, state, force_build, cpu_request,
        cpu_limit, memory_request_gb, memory_limit_gb, gpu, sealed_token, busy, address, node, code,
        message, attempts, created, changed, ready, ended)
    SELECT first_project + n % {projects}, first_build + n % {builds},
        CASE WHEN live THEN 'ready' WHEN n % 9 = 0 THEN 'failed' ELSE 'stopped' END, false, 1, 8,
        1, 16, CASE WHEN n % 40 = 0 THEN 1 ELSE 0 END, '', false, '', 'node-' || n % 30,
        CASE WHEN n % 9 = 0 AND NOT live
            THEN (ARRAY['spawn.out-of-memory', 'quota.gpu', 'build.requirements'])[1 + n % 3]
            ELSE '' END, '', 0,
        at, at, at + interval '20 seconds', CASE WHEN NOT live THEN at + interval '3 hours' END
    FROM (SELECT n, n > {sessions} - {live} AS live,
              now() - ({sessions} - n) * interval '3 minutes' AS at,
              (SELECT min(id) FROM notebook_sessions_project) AS first_project,
              (SELECT min(id) FROM notebook_sessions_build) AS first_build
          FROM generate_series(1, {sessions}) n) numbered
    """,
    """
    UPDATE notebook_sessions_project SET current_id = newest.id
    FROM (SELECT project_id, max(id) AS id FROM notebook_sessions_session GROUP BY 1) newest
    WHERE newest.project_id = notebook_sessions_project.id
    """,
    """
    INSERT INTO notebook_sessions_logchunk (build_id, seq, phase, text, at)
    SELECT (SELECT min(id) FROM notebook_sessions_build) + n % {builds}, 1 + n / {builds},
        'building', repeat('Collecting a package that somebody needs' || chr(10), 8), now()
    FROM generate_series(0, {chunks} - 1) n
    """,
    "ANALYZE",
)


def fill(scale: float = 1.0) -> None:
    """Make the whole population, times ``scale``."""
    counts = {
        "people": int(PEOPLE * scale),
        "projects": int(PROJECTS * scale),
        "sessions": int(SESSIONS * scale),
        "live": int(LIVE * scale),
        "builds": int(BUILDS * scale),
        "chunks": int(CHUNKS * scale),
    }
    with connection.cursor() as cursor:
        for statement in _STATEMENTS:
            cursor.execute(statement.format(**counts))
