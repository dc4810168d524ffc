"""What the roles may do with what is new: the installation, and what was set aside."""

from importlib import import_module

from django.db import migrations

earlier = import_module("portal.migrations.0006_roles_and_people")

VIEWER = {"portal": ["view_installation"], "notebook_sessions": ["view_setaside"]}
OPERATOR = {"portal": ["change_installation"], "notebook_sessions": ["act_on_setaside"]}
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
        ("portal", "0011_volumes"),
        ("notebook_sessions", "0009_set_aside"),
    ]

    operations = [migrations.RunPython(give, take)]
