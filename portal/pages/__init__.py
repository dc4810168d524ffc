"""The pages: each module translates requests to `sessions.lifecycle` and rows to templates.

Every action is a form that works without JavaScript; htmx only spares the reload. What a person
may not see is 404, because `find` looks in no other place than `Project.objects.visible_to`.
"""
