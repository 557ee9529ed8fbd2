"""The kit itself: servers are real, photos are what they say, and every state of a case can be made."""

import io
import socket
import urllib.error
import urllib.request

import psycopg
import pytest
import redis
from django.conf import settings
from PIL import Image
from pytest_socket import SocketConnectBlockedError

from diagnosis.images import inspect_upload
from ml import quality
from ml.photo import open_photo
from tests.kit import factories, photos

pytestmark = pytest.mark.filterwarnings("ignore:A test tried to use")


def test_tests_write_outside_the_repository():
    assert settings.BASE_DIR not in settings.VAR_DIR.parents
    assert settings.PRIVATE_ROOT.is_relative_to(settings.VAR_DIR)


def test_network_beyond_this_machine_is_refused():
    with socket.socket() as outside, pytest.raises(SocketConnectBlockedError):
        outside.connect(("192.0.2.1", 80))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_drawn_skin_is_accepted_in_every_format(kind):
    assert inspect_upload(photos.skin(kind)).width == 640
    assert quality.assess(open_photo(photos.skin(kind))).band != "poor"


@pytest.mark.parametrize(
    ("photo", "code"), [(photos.blurred, "blurred"), (photos.dark, "too_dark"), (photos.not_skin, "not_skin")]
)
def test_bad_photos_are_bad_in_the_way_they_say(photo, code):
    assert quality.assess(open_photo(photo())).has(code, "high")


def test_position_is_in_the_sent_photo_and_not_in_the_stored_one():
    sent = photos.with_gps()
    assert Image.open(io.BytesIO(sent)).getexif().get_ifd(0x8825)[2]
    stored = Image.open(io.BytesIO(inspect_upload(sent).jpeg))
    assert not stored.getexif()
    assert stored.size == (480, 640), "orientation 6 was applied"


@pytest.mark.django_db
@pytest.mark.parametrize("state", factories.CASE_IN_STATE)
def test_a_case_can_be_made_in_every_state(state):
    case = factories.CASE_IN_STATE[state]()
    expected = {
        "abandoned": "running",
        "inconclusive": "done",
        "in_review": "done",
        "asked": "done",
        "signed": "done",
        "amended": "done",
    }
    assert case.latest_analysis.status == expected.get(state, state)


def test_valkey_is_private(valkey):
    assert redis.Redis.from_url(valkey).ping()
    stranger = redis.Redis(port=redis.Redis.from_url(valkey).connection_pool.connection_kwargs["port"])
    with pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_postgres_is_real_and_has_vectors(postgres):
    with psycopg.connect(postgres) as connection:
        connection.execute("CREATE EXTENSION vector")
        assert connection.execute("SELECT '[3,4]'::vector <-> '[0,0]'::vector").fetchone() == (5.0,)


def test_s3_objects_are_private(s3):
    s3.client.put_object(Bucket=s3.name, Key="secret.txt", Body=b"secret")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{s3.environment['S3_ENDPOINT_URL']}/{s3.name}/secret.txt", timeout=5)
