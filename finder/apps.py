import logging

from django.apps import AppConfig


class FinderConfig(AppConfig):
    name = "finder"

    def ready(self) -> None:
        """httpx logs each address it asks, with the typed place, and httpcore the headers, with the key: never here."""
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
