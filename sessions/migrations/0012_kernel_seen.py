"""Whether a build's kernel has been seen to work: older code inserts no, and ignores it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notebook_sessions", "0011_safe_mode"),
    ]

    operations = [
        migrations.AddField(
            model_name="build",
            name="kernel_seen",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
    ]
