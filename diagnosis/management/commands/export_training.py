"""`manage.py export_training FOLDER --operator EMAIL`: signed photos with consent to research, ready for `ml data`."""

from __future__ import annotations

import zipfile
from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Role, User
from diagnosis import services
from diagnosis.models import TrainingExport
from diagnosis.training_page import REASONS


class Command(BaseCommand):
    help = "Write manifest.csv and photos into an empty folder. The diary of operators says who did it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="an empty or new folder, on an encrypted disk")
        parser.add_argument("--operator", required=True, metavar="EMAIL", help="who answers for it")
        parser.add_argument("--release", default="", help="only cases that this release judged")

    def handle(self, *args, folder: Path, **options) -> None:
        operator = User.objects.filter(email=options["operator"].lower(), role=Role.OPERATOR, is_staff=True).first()
        if operator is None:
            raise CommandError(f"There is no operator {options['operator']}.")
        if folder.is_dir() and any(folder.iterdir()):
            raise CommandError(f"{folder} is not empty.")
        export = services.training_export_request(operator=operator, release=options["release"])
        services.training_export_build(export_id=export.pk)
        self._unpack(TrainingExport.objects.get(pk=export.pk), folder, operator)

    def _unpack(self, export: TrainingExport, folder: Path, operator: User) -> None:
        if export.status != TrainingExport.Status.READY:
            raise CommandError("A worker is making the same export now; fetch it from the page of exports.")
        services.training_export_fetched(export=export, operator=operator)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with export.file.open("rb") as file, zipfile.ZipFile(file) as archive:
            archive.extractall(folder)
        counts = export.counts
        self.stdout.write(f"{counts['photos']} photos of {counts['people']} people in {folder}")
        for reason, count in counts["left_out"].items():
            self.stdout.write(f"left out: {count} ({REASONS.get(reason, reason)})")
