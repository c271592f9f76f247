"""What every page must stand, whoever it is for: the reader's tools, a thumb, a narrow phone, the strict policy."""

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page

WIDTHS = (320, 390, 1280)
LEAST_PX = 44
TARGETS = """least => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')]
  .map(one => one.matches('input[type=radio], input[type=checkbox]') ? one.closest('label') || one : one)
  .filter(one => one.checkVisibility({visibilityProperty: true}) && !one.closest('.sr, .skip, .sprite') && !one.matches('.skip, .sr'))
  .map(one => [one, one.getBoundingClientRect()])
  .filter(([, box]) => box.width && (box.height < least - 0.5 || box.width < least - 0.5))
  .map(([one, box]) => `${one.tagName} “${(one.innerText || one.name || one.getAttribute('aria-label') || '').trim().slice(0, 40)}” ${Math.round(box.width)} × ${Math.round(box.height)} px`)"""
OVER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def complaints_of(page: Page) -> list[str]:
    """Collect what the browser complains of from now on: broken scripts, broken policy."""
    heard: list[str] = []
    page.on("pageerror", lambda error: heard.append(f"script: {error}"))
    page.on("console", lambda line: heard.append(f"console: {line.text}") if line.type == "error" else None)
    return heard


def side_scroll(page: Page) -> list[str]:
    """Return at which widths the page scrolls sideways."""
    height = (page.viewport_size or {"height": 844})["height"]
    faults = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": height})
        over = page.evaluate(OVER)
        faults += [f"{over} px too wide at {width} px"] if over > 0 else []
    return faults


def small_targets(page: Page) -> list[str]:
    """Return what a thumb cannot hit."""
    found: list[str] = page.evaluate(TARGETS, LEAST_PX)
    return found


def barriers(page: Page) -> list[str]:
    """Return what axe finds."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html'][:160]}" for one in found for node in one["nodes"]]
