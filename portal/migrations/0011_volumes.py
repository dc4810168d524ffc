"""People's volumes as a stored fact: each has the one that their name leads to today.

Code from before reads and writes none of this, and may run meanwhile: who comes in by it is given
a volume by the same rule when they need one.
"""

import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

from portal.models.erasure import digest, is_alias
from sessions.names import owner_slug

AT_ONCE = 1000


def fill(apps, schema_editor):
    alias = schema_editor.connection.alias
    people = apps.get_model("portal", "User").objects.using(alias)
    names = apps.get_model("portal", "UsedName").objects.using(alias)
    some = []
    for person in people.only("pk", "username", "volume").order_by("pk").iterator(AT_ONCE):
        if is_alias(person.username):  # their names are kept as digests already
            continue
        person.volume = owner_slug(person.username)
        some.append(person)
        if len(some) == AT_ONCE:
            store(people, names, some)
            some = []
    store(people, names, some)


def store(people, names, some):
    people.bulk_update(some, ["volume"])
    rows = [
        names.model(digest=digest(person.username), name=person.username, user=person)
        for person in some
    ]
    names.bulk_create(rows, ignore_conflicts=True)


class Migration(migrations.Migration):

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("portal", "0010_installation"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="volume",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=63,
                verbose_name="volume",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.UniqueConstraint(
                condition=models.Q(("volume", ""), _negated=True),
                fields=("volume",),
                name="one_user_for_each_volume",
            ),
        ),
        migrations.AddField(
            model_name="erasure",
            name="person",
            field=models.ForeignKey(
                editable=False, null=True, on_delete=models.SET_NULL, related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.CreateModel(
            name="UsedName",
            fields=[
                ("id", models.BigAutoField(
                    auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(editable=False, max_length=64, unique=True)),
                ("name", models.CharField(
                    blank=True, editable=False, max_length=150, verbose_name="name")),
                ("since", models.DateTimeField(
                    default=django.utils.timezone.now, editable=False, verbose_name="since")),
                ("user", models.ForeignKey(
                    editable=False, null=True, on_delete=models.SET_NULL, related_name="names",
                    to=settings.AUTH_USER_MODEL)),
            ],
            options={
                "verbose_name": "used name",
                "verbose_name_plural": "used names",
                "default_permissions": (),
            },
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
