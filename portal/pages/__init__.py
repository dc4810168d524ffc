"""The pages: each module translates requests to `sessions.lifecycle` and rows to templates.

Every action is a form that works without JavaScript; htmx only saves the reload. Whatever a person
may not see is 404, because `responses.find_project` only searches `Project.objects.visible_to`.
"""
