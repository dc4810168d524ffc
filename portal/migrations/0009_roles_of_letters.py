"""All roles see letters, operators have them tried again."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

ROLES = {
    "viewer": ["view_letter"],
    "support": ["view_letter"],
    "operator": ["view_letter", "retry_letter"],
}


def give(apps, schema_editor):
    alias = schema_editor.connection.alias
    config = apps.get_app_config("portal")
    config.models_module = True  # the stub of a migration's state has none
    create_permissions(config, verbosity=0, using=alias, apps=apps)
    config.models_module = None
    for group, permissions in _each(apps, alias):
        group.permissions.add(*permissions)


def take(apps, schema_editor):
    for group, permissions in _each(apps, schema_editor.connection.alias):
        group.permissions.remove(*permissions)


def _each(apps, alias):
    rows = apps.get_model("auth", "Permission").objects.using(alias)
    ours = rows.filter(content_type__app_label="portal")
    for group in apps.get_model("auth", "Group").objects.using(alias).filter(name__in=ROLES):
        yield group, [ours.get(codename=code) for code in ROLES[group.name]]


class Migration(migrations.Migration):

    dependencies = [("portal", "0008_letters")]

    operations = [migrations.RunPython(give, take)]
