"""All roles see what the portal has removed on its own."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

LABEL, CODE = "notebook_sessions", "view_removal"
ROLES = {name: [CODE] for name in ("viewer", "support", "operator")}


def give(apps, schema_editor):
    alias = schema_editor.connection.alias
    config = apps.get_app_config(LABEL)
    config.models_module = True  # the stub of a migration's state has none
    create_permissions(config, verbosity=0, using=alias, apps=apps)
    config.models_module = None
    for group in _groups(apps, alias):
        group.permissions.add(_permission(apps, alias))


def take(apps, schema_editor):
    alias = schema_editor.connection.alias
    for group in _groups(apps, alias):
        group.permissions.remove(_permission(apps, alias))


def _groups(apps, alias):
    return apps.get_model("auth", "Group").objects.using(alias).filter(name__in=ROLES)


def _permission(apps, alias):
    rows = apps.get_model("auth", "Permission").objects.using(alias)
    return rows.get(content_type__app_label=LABEL, codename=CODE)


class Migration(migrations.Migration):

    dependencies = [
        ("portal", "0006_roles_and_people"),
        ("notebook_sessions", "0005_lifetimes"),
    ]

    operations = [migrations.RunPython(give, take)]
