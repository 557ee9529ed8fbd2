"""WSGI entry point for gunicorn."""

from django.core.wsgi import get_wsgi_application

from smartderma.start import refuse_unsafe_start

application = get_wsgi_application()
refuse_unsafe_start()
