"""Where a launch link leads on a notebook's host: older code inserts "", and ignores it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notebook_sessions", "0013_kernel_died"),
    ]

    operations = [
        migrations.AddField(
            model_name="project",
            name="urlpath",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=2000
            ),
        ),
    ]
