from django.db import migrations


def rename_permission(apps, schema_editor):
    """Rename the permission: Django names one only when it makes it."""
    permissions = apps.get_model("auth", "Permission").objects.using(schema_editor.connection.alias)
    permissions.filter(
        content_type__app_label="quotas", codename="answer_limitrequest"
    ).update(name="Can answer limit requests")


class Migration(migrations.Migration):

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("quotas", "0002_never_deleted"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="limitrequest",
            options={
                "permissions": [("answer_limitrequest", "Can answer limit requests")],
                "verbose_name": "limit request",
                "verbose_name_plural": "limit requests",
            },
        ),
        migrations.RunPython(rename_permission, migrations.RunPython.noop),
    ]
