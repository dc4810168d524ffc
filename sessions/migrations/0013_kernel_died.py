"""Whether a kernel of a build has died, which doubts it: older code inserts no, and ignores it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notebook_sessions", "0012_kernel_seen"),
    ]

    operations = [
        migrations.AddField(
            model_name="build",
            name="kernel_died",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
    ]
