import pytest

from tests.reports import samples


@pytest.fixture(autouse=True)
def release(tmp_path, monkeypatch, settings):
    """A release document that says what pages and reports need; there are no weights behind it."""
    samples.write_release(tmp_path / "releases")
    monkeypatch.setenv("SMARTDERMA_RELEASE_DIR", str(tmp_path / "releases"))
    settings.MODEL_RELEASE = samples.RELEASE
    settings.RELEASE_OVERRIDE = samples.RELEASE  # most of these tests have no database to ask which one is active
