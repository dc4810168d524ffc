"""Why a session runs in safe mode: older code inserts none, and ignores it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notebook_sessions", "0010_letters"),
    ]

    operations = [
        migrations.AddField(
            model_name="session",
            name="safe_mode",
            field=models.TextField(blank=True, db_default="", default="", editable=False),
        ),
    ]
