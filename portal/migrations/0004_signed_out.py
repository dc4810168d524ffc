from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("portal", "0003_roles"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="signed_out",
            field=models.DateTimeField(editable=False, null=True, verbose_name="signed out everywhere"),
        ),
    ]
