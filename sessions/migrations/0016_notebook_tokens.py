"""Programs' rights to one notebook, which older code takes for those of signed-out browsers."""

from django.db import migrations, models
from django.db.models.deletion import CASCADE


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0002_keys_and_scopes"),
        ("notebook_sessions", "0015_server_uid_and_machines"),
    ]

    operations = [
        migrations.AddField(
            model_name="access",
            name="session",
            field=models.ForeignKey(
                null=True,
                on_delete=CASCADE,
                related_name="+",
                to="notebook_sessions.session",
            ),
        ),
        migrations.AddField(
            model_name="access",
            name="token",
            field=models.ForeignKey(
                null=True, on_delete=CASCADE, related_name="+", to="keys.token"
            ),
        ),
    ]
