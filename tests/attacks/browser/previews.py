"""Previews of what strangers wrote, as they would be if nothing had been cleaned out of them."""

from __future__ import annotations

from playwright.sync_api import Page, Route

from tests.attacks.browser.visit import EVIL, KIND, Act, InBrowser, Visit
from tests.hostile import ACTIVE_HTML, ELSEWHERE

MARK = "document.documentElement.id = `attacked`"
HTML = "\n".join(ACTIVE_HTML).replace("run()", MARK).replace(ELSEWHERE, EVIL)
PLANT = """
from django.utils import timezone
from sessions.models import Preview, Project
from sessions.models.preview import source_of
preview = source_of(Project.objects.get(name={name!r}))
shown = dict(url=preview.url, name="README.md", html={html!r}, made=timezone.now())
Preview.objects.update_or_create(key=preview.key, defaults=shown)
"""


def _framed(visit: Visit) -> Page:
    page = visit.context.new_page()
    with page.expect_response("**/preview/**") as answer:
        page.goto(visit.world.filled("{url}/projects/{alice_project}/"))
        page.locator("#preview summary").click()
    assert "the end" in answer.value.text()
    return page


def _alone(visit: Visit) -> Page:
    page = visit.portal("/projects/{alice_project}/preview/")
    assert "the end" in page.content()
    return page


def _elsewhere(visit: Visit) -> Page:
    return visit.stranger(HTML, origin=EVIL)


def _acts(show: Act) -> Act:
    """Return what a preview runs and asks of another site, where it is shown in this way."""

    def act(visit: Visit) -> str:
        name = visit.world.words["alice_project"]
        visit.world.stack.manage("shell", "-v0", "-c", PLANT.format(name=name, html=HTML))
        asked: list[str] = []

        def take(route: Route) -> None:  # what the policy refuses does not come so far
            asked.append(route.request.url)
            route.fulfill(body="x")

        visit.context.route(f"{EVIL}/**", take)
        page = show(visit)
        page.wait_for_timeout(500)
        ran = [frame.url for frame in page.frames if frame.locator("html#attacked").count()]
        return " ".join([*ran, *asked])

    return act


ATTEMPTS = (
    InBrowser(KIND, "a preview runs a script or asks another site", _acts(_framed)),
    InBrowser(KIND, "a preview alone runs a script or asks another site", _acts(_alone)),
    InBrowser(KIND, "the same page elsewhere does", _acts(_elsewhere), control=True),
)
