"""When staff have set a password for somebody, and when they chose their own.

Code from before reads and writes neither, and may run meanwhile.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("portal", "0012_roles_and_installation")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="password_given",
            field=models.DateTimeField(
                blank=True, editable=False, null=True, verbose_name="password set by staff"
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="password_chosen",
            field=models.DateTimeField(
                blank=True, editable=False, null=True, verbose_name="password chosen"
            ),
        ),
    ]
