"""The letter that names a project's deletion: older code does without."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("notebook_sessions", "0009_set_aside"),
        ("portal", "0011_volumes"),
    ]

    operations = [
        migrations.AddField(
            model_name="project",
            name="letter",
            field=models.ForeignKey(
                editable=False, null=True, on_delete=models.SET_NULL, related_name="+",
                to="portal.letter",
            ),
        ),
    ]
