"""The page in chromium: phone and desktop, light and dark, axe, the position button, the map, the console."""

import pytest
from playwright.sync_api import Page, expect

from deploy import css
from finder.google import PLACE_ID
from tests.e2e.looking import Looker
from tests.finder.conftest import PUNE, google_place, osm_node

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
METRE = 1 / 111_195


@pytest.fixture
def looker(page: Page, screenshots):
    """A page to look at; what is wrong with it fails the test at its end."""
    assert css.build() == 0
    looker = Looker(page, screenshots)
    yield looker
    assert looker.problems == []


@pytest.fixture
def two_doctors(listed):
    listed(
        clinic_name="Rao Skin and Laser Clinic",
        clinic_address="12 Prabhat Road, Deccan Gymkhana, Pune 411004",
        clinic_phone="+91 20 2567 1234",
        clinic_website="https://rao.example.org/",
    )
    listed("Dr Vikram Deshpande", (PUNE[0] + 900 * METRE, PUNE[1]), clinic_address="4 Karve Road, Pune")


@pytest.fixture
def practices(overpass):
    overpass.elements = [
        osm_node(1, at=(PUNE[0] + 2_000 * METRE, PUNE[1]), opening_hours="24/7", phone="+91 20 1111 2222"),
        osm_node(2, "Sancheti Hospital of Dermatology", (PUNE[0], PUNE[1] + 0.02), opening_hours="Mo 00:00-00:01"),
        osm_node(3, "", (PUNE[0] - 0.03, PUNE[1])),
    ]


def search(page: Page, address: str, place: str) -> None:
    page.goto(f"{address}/find/")
    page.get_by_label("Town or city").fill(place)
    with page.expect_event("load"):  # after it, scripts listen: an earlier click on details would leave the page
        page.get_by_role("button", name="Search").click()


def test_directory_only(live_server, page: Page, looker: Looker, two_doctors):
    search(page, live_server.url, "Pune")
    expect(page.get_by_role("heading", level=2)).to_have_text("2 results near Pune, India")
    looker.look("finder-directory")


def test_choices_and_unknown_places(live_server, page: Page, looker: Looker):
    search(page, live_server.url, "Springfield")
    looker.look("finder-choices")
    page.get_by_role("link", name="Springfield, Illinois").click()
    expect(page.get_by_role("heading", level=2)).to_contain_text("Springfield, Illinois, United States")
    search(page, live_server.url, "Xyzzyville")
    looker.look("finder-unknown")


def test_the_position_is_asked_on_a_click_only_and_rounded(
    live_server, page: Page, looker: Looker, two_doctors, practices, tiles
):
    page.context.grant_permissions(["geolocation"])
    page.context.set_geolocation({"latitude": 18.5204303, "longitude": 73.8552437})
    page.add_init_script(
        "window.asked = 0; const ask = navigator.geolocation.getCurrentPosition.bind(navigator.geolocation);"
        "navigator.geolocation.getCurrentPosition = (...rest) => { window.asked += 1; ask(...rest); };"
    )
    page.goto(f"{live_server.url}/find/")
    assert page.evaluate("window.asked") == 0
    with page.expect_request(lambda request: request.method == "POST") as sent:
        page.get_by_role("button", name="Use my position").click()
    expect(page.get_by_role("heading", level=2)).to_have_text("5 results near you")
    assert "latitude=18.520&longitude=73.855" in sent.value.post_data
    assert page.url == f"{live_server.url}/find/"
    expect(page.locator("#finder-map .leaflet-tile-loaded").first).to_be_visible()
    assert page.locator("#finder-map path.leaflet-interactive").count() == 5
    looker.look("finder-map")


def test_a_refused_position_says_what_to_do(live_server, page: Page, looker: Looker):
    page.add_init_script(
        "navigator.geolocation.getCurrentPosition = (good, bad) => bad({ code: 1, PERMISSION_DENIED: 1 });"
    )
    page.goto(f"{live_server.url}/find/")
    page.get_by_role("button", name="Use my position").click()
    expect(page.locator("#position-status")).to_contain_text("Type a town instead")
    expect(page.get_by_role("button", name="Use my position")).to_be_enabled()
    looker.look("finder-refused")


def test_google_shows_no_map_and_details_open_in_place(
    live_server, page: Page, looker: Looker, two_doctors, google, tiles
):
    google.places = [google_place(at=(PUNE[0] + 0.01, PUNE[1])), google_place("ChIJ-pune-2", "Jones", PUNE)]
    assert all(PLACE_ID.fullmatch(place["id"]) for place in google.places)
    search(page, live_server.url, "Pune")
    page.get_by_role("link", name="Phone and opening hours of Kothrud Skin Clinic").click()
    expect(page.get_by_text("Monday: 9:00 AM – 5:00 PM")).to_be_visible()
    expect(page.get_by_role("heading", level=3)).to_have_count(4)
    assert page.locator(".leaflet-container").count() == 0
    assert tiles.seen == []
    looker.look("finder-google")


def test_without_scripts_a_typed_town_works(live_server, browser, two_doctors):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    search(page, live_server.url, "Pune")
    expect(page.get_by_role("heading", level=2)).to_have_text("2 results near Pune, India")
    expect(page.get_by_role("button", name="Use my position")).to_be_hidden()
    context.close()
