"""A patient with something of everything, through the real services; and all that there is to know of a person.

The relations of the models are walked, so that a new model that belongs to people is found by itself.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.conf import settings
from django.db.models import CASCADE, Model
from django.test import Client
from django.urls import reverse

from accounts.models import Purpose, User
from accounts.services_export import export_request
from accounts.tasks import build_export_task
from diagnosis import images, services
from diagnosis.models import Case, ShadowRun, Shot
from diagnosis.tasks import run_analysis_task
from reports.services import report_render
from tests.kit import factories, photos

OWN_WORDS = "a sentence that only this patient wrote"


def make_whole_person() -> User:
    """A patient with rows in every model that can belong to one. Needs a model release (`toy_release`)."""
    patient = factories.PatientFactory(consents=[Purpose.CARE, Purpose.STORAGE, Purpose.RESEARCH])
    reader = factories.DermatologistFactory()
    Authenticator.objects.create(user=patient, type=Authenticator.Type.RECOVERY_CODES, data={"seed": "x"})
    answered, asked = (_checked(patient) for _ in range(2))
    _answer(answered, reader)
    services.photos_request(case=asked, reader=reader, missing=["sharp"])
    _follow(patient, answered)
    _write(answered, patient, reader)
    _half_sent(patient)
    _look(answered, reader)
    services.notices_mute(user=patient, kind="photos_asked")
    build_export_task(str(export_request(user=patient, language="en").pk))
    _for_research(answered)
    return patient


def _checked(patient: User) -> Case:
    """Photos really looked at, sent to the dermatologists."""
    case = factories.case_queued(patient=patient)
    run_analysis_task(str(case.analyses.get().pk))
    return services.review_request(case=case, actor=patient)


def _answer(case: Case, reader: User) -> None:
    verdict = {"diagnosis": "eczema", "tier": "routine"}
    services.first_opinion_store(case=case, reader=reader, **verdict)
    services.review_sign(case=case, reviewer=reader, note_to_patient=OWN_WORDS, private_note=OWN_WORDS, **verdict)
    report_render(case=Case.objects.get(pk=case.pk), language="en")


def _follow(patient: User, case: Case) -> None:
    lesion = services.lesion_create(patient=patient, body_site="arm", name=OWN_WORDS)
    services.case_file(case=case, lesion=lesion)
    services.note_create(lesion=lesion, text=OWN_WORDS)
    services.reminder_set(lesion=lesion, months=3)


def _write(case: Case, patient: User, reader: User) -> None:
    for author in (patient, reader):
        photo = images.inspect_upload(photos.skin(size=(320, 240), seed=author.pk))
        services.message_send(case=case, author=author, text=OWN_WORDS, photos=[photo])


def _for_research(case: Case) -> None:
    """A candidate release that waits to judge a case too, and an export for training that holds its photos."""
    ShadowRun.objects.create(analysis=case.analyses.get(), release="candidate")
    export = services.training_export_request(operator=factories.OperatorFactory())
    services.training_export_build(export_id=export.pk)


def _half_sent(patient: User) -> None:
    """A file that is still on its way, and a photo that waits for the rest of its check."""
    data = photos.skin(size=(320, 240), seed=77)
    digest = hashlib.sha256(data).hexdigest()
    upload = services.upload_start(owner=patient, length=settings.MIN_PART_BYTES + 1, sha256=digest)
    services.upload_append(upload=upload, offset=0, data=bytes(settings.MIN_PART_BYTES))
    services.photo_take_in(patient=patient, submission_key=uuid.uuid4(), shot=Shot.CLOSE_UP, data=data)


def _look(case: Case, reader: User) -> None:
    client = Client()
    client.force_login(reader)
    client.get(reverse("message_list", args=[case.pk]))


# --- all that there is ---------------------------------------------------------------------------------------------
def models_of_people() -> set[type[Model]]:
    """Models whose rows go with an account: those that lead to it by cascade, however far away."""
    found: set[type[Model]] = set()
    todo: list[type[Model]] = [User]
    while todo:
        for relation in _cascades(todo.pop()):
            if relation.related_model not in found:
                found.add(relation.related_model)
                todo.append(relation.related_model)
    return found


def _cascades(model: type[Model]) -> list:
    relations = model._meta.get_fields(include_hidden=True)
    backwards = (one for one in relations if one.auto_created and not one.concrete)
    return [one for one in backwards if getattr(one, "on_delete", None) is CASCADE]


def rows_of(person: Model) -> set[tuple[type[Model], object]]:
    """Every row that belongs to a person, by model and primary key."""
    found: set[tuple[type[Model], object]] = {(type(person), person.pk)}
    todo = [person]
    while todo:
        row = todo.pop()
        for relation in _cascades(type(row)):
            for one in relation.related_model._base_manager.filter(**{relation.field.name: row}):
                if (type(one), one.pk) not in found:
                    found.add((type(one), one.pk))
                    todo.append(one)
    return found


def stored_files() -> set[Path]:
    return {path for path in Path(settings.PRIVATE_ROOT).rglob("*") if path.is_file()}


def everything_in_the_database() -> Iterator[tuple[str, str]]:
    """(model.field, text) of every value of every row of every table."""
    for model in apps.get_models(include_auto_created=True):
        if not model._meta.managed:
            continue
        for row in model._base_manager.all().iterator():
            for field in model._meta.concrete_fields:
                value = field.value_from_object(row)
                yield f"{model._meta.label}.{field.name}", "" if value is None else str(value)


def traces_of(words: set[str]) -> set[str]:
    """Where in the database any of these words stands."""
    return {place for place, text in everything_in_the_database() if any(word in text for word in words)}


def words_of(person: User, rows: set[tuple[type[Model], object]], files: set[Path]) -> set[str]:
    """What would give a person away: address, pseudonym, own words, ids that nobody else has, names of files."""
    ids = {str(pk) for _model, pk in rows if isinstance(pk, uuid.UUID)}
    return {person.email, person.pseudonym, OWN_WORDS, *ids, *(word.replace("-", "") for word in ids)} | {
        path.stem for path in files
    }
