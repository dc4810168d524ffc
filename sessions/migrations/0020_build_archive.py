"""The archive that a build is of: older code leaves it empty, which means a Git repository."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notebook_sessions", "0019_content"),
    ]

    operations = [
        migrations.AddField(
            model_name="build",
            name="archive",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=16
            ),
        ),
    ]
