"""The provider's session behind a sign-in, and whether its answer named the person's groups.

Code from before reads and writes neither, and may run meanwhile.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("portal", "0013_given_passwords")]

    operations = [
        migrations.AddField(
            model_name="signin",
            name="provider_session",
            field=models.CharField(
                blank=True, db_default="", db_index=True, default="", max_length=64
            ),
        ),
        migrations.AddField(
            model_name="signin",
            name="groups_missing",
            field=models.CharField(blank=True, db_default="", default="", max_length=16),
        ),
    ]
