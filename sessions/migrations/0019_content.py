"""A second repository for a project's content: older code inserts "", and starts without it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notebook_sessions", "0018_build_only"),
    ]

    operations = [
        migrations.AddField(
            model_name="project",
            name="content_provider",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=16
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="content_repository",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                max_length=2000,
                verbose_name="content",
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="content_url",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=2000
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="content_ref",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                max_length=255,
                verbose_name="ref of the content",
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="content_commit",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                max_length=64,
                verbose_name="commit of the content",
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="content_tail",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=2000
            ),
        ),
    ]
