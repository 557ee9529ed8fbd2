"""Before the first page: the queue answers, the database is migrated, the demo accounts exist.

Writes the log-ins that `seed_demo` prints to the file named by its one argument.
"""

import io
import os
import sys
from pathlib import Path

import django
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError


def prepare(log_ins: Path) -> None:
    """Safe to run at every start. Raises what goes wrong; the web server is then not started."""
    from deploy.static import collect_static
    from deploy.valkey import wait_until_ready

    wait_until_ready(settings.REDIS_URL)
    call_command("migrate", interactive=False, verbosity=0)
    text = io.StringIO()
    if settings.DEMO_ACCOUNTS:
        call_command("seed_demo", stdout=text)
    if not settings.DEBUG:
        collect_static()
    log_ins.write_text(text.getvalue())


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smartderma.settings")
    try:
        django.setup()
        prepare(Path(sys.argv[1]))
    except (TimeoutError, CommandError, DatabaseError) as error:
        print(f"The site cannot start: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
