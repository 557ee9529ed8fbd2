"""Settings of the tests: those of the site, with every variable fixed, so that no .env or shell can change a result.

All files go to a temporary folder of this process (xdist: one per worker), never to var/.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

FOLDER = Path(tempfile.mkdtemp(prefix="smartderma-tests-"))
_OWNER = os.getpid()


@atexit.register
def _remove() -> None:
    if os.getpid() == _OWNER:  # not in a forked child
        shutil.rmtree(FOLDER, ignore_errors=True)


ENVIRONMENT = {
    "DEBUG": "1",
    "DEMO_ACCOUNTS": "0",
    "VAR_DIR": str(FOLDER),
    "DATABASE_URL": f"sqlite:///{FOLDER / 'db.sqlite3'}",
    "REDIS_URL": "",
    "S3_BUCKET": "",
    "EMAIL_URL": "memorymail://",
    "LOG_LEVEL": "WARNING",
    "GOOGLE_PLACES_API_KEY": "",
    "OVERPASS_URL": "",
    "NOMINATIM_URL": "",
    "FINDER_CONTACT": "",
    "MAP_TILES_URL": "",
    "FACE_WAIT_SECONDS": "0",
    "SIGN_REAUTH_SECONDS": "0",  # tests log in by force; those of signing turn it on
    "MFA_REQUIRED": "0",
    "BLIND_FIRST_READ": "0",
    "SITE_URL": "http://testserver",
    "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
}
os.environ.pop("SECRET_KEY", None)
os.environ.update(ENVIRONMENT)

from smartderma.settings import *
from smartderma.settings import DATABASES

# A file, not memory: threads, gunicorn and Celery workers of a test open the same database.
DATABASES["default"]["TEST"] = {"NAME": str(FOLDER / "test.sqlite3")}
CELERY_BROKER_URL = "memory://"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
