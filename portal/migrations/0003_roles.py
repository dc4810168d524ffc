"""Makes the roles of staff. The table is as `portal.roles` had it at the time: a later change
of that one comes with a migration of its own.
"""

from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEWER = {
    "portal": ["view_user", "view_announcement"],
    "quotas": ["view_limitset", "view_grant", "view_limitrequest", "view_supportbounds"],
    "notebook_sessions": ["view_project", "view_session", "view_build", "view_repositoryrule"],
    "keys": ["view_token"],
    "auditlog": ["view_logentry"],
    "auth": ["view_group"],
}
SUPPORT = {
    "notebook_sessions": ["act_on_project", "cancel_build"],
    "portal": ["sign_out_user"],
    "quotas": ["add_grant", "answer_limitrequest"],
}
OPERATOR = {
    "quotas": [
        "exceed_bounds",
        "add_limitset", "change_limitset", "delete_limitset",
        "change_grant", "delete_grant",
        "add_supportbounds", "change_supportbounds", "delete_supportbounds",
    ],
    "portal": [
        "add_announcement", "change_announcement", "delete_announcement",
        "add_user", "change_user", "disable_user",
    ],
    "notebook_sessions": [
        "add_repositoryrule", "change_repositoryrule", "delete_repositoryrule",
    ],
    "keys": ["delete_token"],
    "auth": ["add_group", "change_group"],
}
ROLES = {
    "viewer": [VIEWER],
    "support": [VIEWER, SUPPORT],
    "operator": [VIEWER, SUPPORT, OPERATOR],
}


def make(apps, schema_editor):
    alias = schema_editor.connection.alias
    make_permissions(apps, alias)
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    for name, tables in ROLES.items():
        group, _made = Group.objects.using(alias).get_or_create(name=name)
        wanted = [(label, code) for table in tables for label in table for code in table[label]]
        group.permissions.set(
            Permission.objects.using(alias).get(content_type__app_label=label, codename=code)
            for label, code in wanted
        )


def make_permissions(apps, alias):
    """Django makes them after all migrations, which is too late here."""
    for label in VIEWER:
        config = apps.get_app_config(label)
        config.models_module = True  # the stub of a migration's state has none
        create_permissions(config, verbosity=0, using=alias, apps=apps)
        config.models_module = None


def remove(apps, schema_editor):
    alias = schema_editor.connection.alias
    apps.get_model("auth", "Group").objects.using(alias).filter(name__in=ROLES).delete()


class Migration(migrations.Migration):

    dependencies = [
        ("portal", "0002_people"),
        ("quotas", "0001_limits"),
        ("notebook_sessions", "0003_administration"),
        ("keys", "0001_initial"),
        ("auditlog", "0017_add_actor_email"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make, remove)]
