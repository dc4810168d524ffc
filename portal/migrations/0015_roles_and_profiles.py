"""Let the roles see or change notebook profiles."""

from importlib import import_module

from django.db import migrations

earlier = import_module("portal.migrations.0006_roles_and_people")

VIEWER = {"quotas": ["view_profile"]}
OPERATOR = {"quotas": ["add_profile", "change_profile", "delete_profile"]}
ROLES = {"viewer": [VIEWER], "support": [VIEWER], "operator": [VIEWER, OPERATOR]}


def give(apps, schema_editor):
    alias = schema_editor.connection.alias
    earlier.make_permissions(apps, alias, VIEWER)
    for group, permissions in earlier.each(apps, alias, ROLES):
        group.permissions.add(*permissions)


def take(apps, schema_editor):
    for group, permissions in earlier.each(apps, schema_editor.connection.alias, ROLES):
        group.permissions.remove(*permissions)


class Migration(migrations.Migration):

    dependencies = [
        ("portal", "0014_sign_in_sessions"),
        ("quotas", "0004_profile"),
    ]

    operations = [migrations.RunPython(give, take)]
