"""What operators read is true: every setting is documented, and every documented one exists."""

import re

from tests.kit.processes import ROOT

SOURCES = [*ROOT.glob("smartderma/*.py"), *ROOT.glob("deploy/*.py"), *ROOT.glob("ml/**/*.py")]
READ = re.compile(r'(?:env\.\w+|environ\.get|environ\.setdefault|environ)[\[(]"([A-Z][A-Z0-9_]+)"')
# Set by the code itself, not by a person.
INTERNAL = {"DJANGO_SETTINGS_MODULE", "PYTHONUNBUFFERED"}


def settings_in_code() -> set[str]:
    return {name for path in SOURCES for name in READ.findall(path.read_text())} - INTERNAL


def settings_in_document() -> set[str]:
    rows = [line.split("|")[1] for line in (ROOT / "docs/SETTINGS.md").read_text().splitlines() if line[:3] == "| `"]
    return {name for row in rows for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", row)}


def test_every_setting_is_documented():
    assert settings_in_code() - settings_in_document() == set()


def test_every_documented_setting_is_read():
    assert settings_in_document() - settings_in_code() == set()


def test_make_help_lists_every_command():
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.M).group(1).split()
    assert set(phony) == set(re.findall(r"^([a-z-]+):.*## ", makefile, re.M))


def test_repository_names_no_machine():
    """No absolute path of a work place and no package registry in what a newcomer gets."""
    files = [ROOT / "Makefile", ROOT / ".ci/run", *ROOT.glob("deploy/*.py"), *ROOT.glob("requirements/*.txt")]
    text = "\n".join(path.read_text() for path in files)
    assert not re.search(r"/work/|/root/|index-url|pypi\.|registry\.npm", text)
