"""Whether a session only builds: older code takes every session for a notebook's."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notebook_sessions", "0017_project_link"),
    ]

    operations = [
        migrations.AddField(
            model_name="session",
            name="build_only",
            field=models.BooleanField(db_default=False, default=False, verbose_name="build only"),
        ),
    ]
