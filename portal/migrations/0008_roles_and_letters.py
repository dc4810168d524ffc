"""What the roles may do with what is new: letters, and what the portal has removed on its own."""

from importlib import import_module

from django.db import migrations

earlier = import_module("portal.migrations.0006_roles_and_people")

VIEWER = {"portal": ["view_letter"], "notebook_sessions": ["view_removal"]}
OPERATOR = {"portal": ["retry_letter"]}
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
        ("portal", "0007_letters"),
        ("notebook_sessions", "0005_lifetimes"),
    ]

    operations = [migrations.RunPython(give, take)]
