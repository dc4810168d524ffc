"""What the roles may do with what is new: SSH servers, erasing people."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEWER = {"portal": ["view_erasure"], "keys": ["view_knownhost"]}
OPERATOR = {"portal": ["erase_user", "confirm_removal"], "keys": ["delete_knownhost"]}
ROLES = {"viewer": [VIEWER], "support": [VIEWER], "operator": [VIEWER, OPERATOR]}


def give(apps, schema_editor):
    alias = schema_editor.connection.alias
    make_permissions(apps, alias, VIEWER)
    for group, permissions in each(apps, alias, ROLES):
        group.permissions.add(*permissions)


def take(apps, schema_editor):
    for group, permissions in each(apps, schema_editor.connection.alias, ROLES):
        group.permissions.remove(*permissions)


def each(apps, alias, tables):
    """The groups of these roles, each with its permissions."""
    rows = apps.get_model("auth", "Permission").objects.using(alias)
    for group in apps.get_model("auth", "Group").objects.using(alias).filter(name__in=tables):
        yield group, [
            rows.get(content_type__app_label=label, codename=code)
            for table in tables[group.name]
            for label in table
            for code in table[label]
        ]


def make_permissions(apps, alias, labels):
    """Django makes them after all migrations, which is too late here."""
    for label in labels:
        config = apps.get_app_config(label)
        config.models_module = True  # the stub of a migration's state has none
        create_permissions(config, verbosity=0, using=alias, apps=apps)
        config.models_module = None


class Migration(migrations.Migration):

    dependencies = [
        ("portal", "0005_people_by_provider"),
        ("keys", "0002_keys_and_scopes"),
    ]

    operations = [migrations.RunPython(give, take)]
