"""The documentation leads somewhere: its links exist, and one step goes from a requirement to its code."""

import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")])
LINK = re.compile(r"\]\(([^)#:]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = set(LINK.findall(page.read_text()))

    assert {link for link in links if not (page.parent / link).exists()} == set()


def test_every_app_has_its_page() -> None:
    pages = {page.stem for page in (ROOT / "docs" / "apps").iterdir()}
    ours = {app for app in settings.INSTALLED_APPS if (ROOT / app.replace(".", "/") / "__init__.py").exists()}

    assert pages == ours


@pytest.mark.parametrize("requirement", ["R-04.9", "R-04.27", "R-12.7", "R-13.2", "R-20.21", "U-9"])
def test_the_blueprint_leads_from_a_requirement_to_its_code(requirement: str) -> None:
    index = (ROOT / "docs" / "blueprint.md").read_text()

    line = next(line for line in index.splitlines() if line.startswith(f"| {requirement} |"))

    assert LINK.findall(line)
