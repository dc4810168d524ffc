from django.db import migrations, models
from django.db.models.functions import Upper

from portal.lib.db import index


class Migration(migrations.Migration):

    dependencies = [("notebook_sessions", "0005_lifetimes")]

    operations = [
        index(
            "projects_by_parts", "notebook_sessions_project", "name", "repository", "commit"
        ),
        index("builds_by_parts", "notebook_sessions_build", "url", "commit", "image"),
        migrations.AddIndex("session", models.Index(Upper("node"), name="sessions_by_node")),
    ]
