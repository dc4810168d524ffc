"""Which server a session was given, and how large the machines are: older code ignores both."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notebook_sessions", "0014_urlpath"),
    ]

    operations = [
        migrations.AddField(
            model_name="capacity",
            name="machines",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="session",
            name="server_uid",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=64
            ),
        ),
    ]
