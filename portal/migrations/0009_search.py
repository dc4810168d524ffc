from django.db import migrations

from portal.lib.db import index


class Migration(migrations.Migration):

    dependencies = [("portal", "0008_roles_and_letters")]

    operations = [
        index("people_by_parts", "portal_user", "username", "first_name", "last_name", "email"),
    ]
