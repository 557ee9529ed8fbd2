"""A certificate of erasure in words: kinds of rows as a person would name them."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# Kinds by the names of their models. What has no line of its own is summed up under "Other entries".
WORDS: dict[str, Promise] = {
    "diagnosis.Case": _("Checks"),
    "diagnosis.CaseImage": _("Photos"),
    "diagnosis.Analysis": _("Results of the computer"),
    "diagnosis.PhotoFinding": _("Findings on photos, with their colours"),
    "reports.Report": _("Reports"),
    "diagnosis.Review": _("Opinions of dermatologists"),
    "diagnosis.Message": _("Messages"),
    "diagnosis.MessageAttachment": _("Photos in messages"),
    "diagnosis.Lesion": _("Spots followed over time"),
    "diagnosis.LesionNote": _("Notes on spots"),
    "diagnosis.Reminder": _("Reminders"),
    "diagnosis.Notice": _("E-mails that were sent or waiting"),
    "diagnosis.Upload": _("Photos that were being sent"),
    "accounts.Consent": _("Consents"),
    "accounts.AccessLog": _("Entries on who looked"),
    "accounts.DataExport": _("Downloads of all data"),
    "accounts.User": _("The account"),
}
KEPT: dict[str, Promise] = {
    "diagnosis.Review": _("Signed opinions: a medical record must say who signed it"),
    "diagnosis.Read": _("Signed readings: a medical record must say who read the photos"),
    "diagnosis.FirstOpinion": _("First opinions, which belong to a patient's record"),
    "diagnosis.PhotoRequest": _("Requests for new photos, which belong to a patient's record"),
    "accounts.DermatologistProfile": _("Licences that this person checked"),
    "accounts.Partner": _("Partners that this person stands for"),
}


def certificate_lines(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """(words, count) in the order of `WORDS`, other kinds in one line at the end."""
    lines = [(str(words), counts[kind]) for kind, words in WORDS.items() if counts.get(kind)]
    other = sum(count for kind, count in counts.items() if kind not in WORDS)
    return [*lines, (str(_("Other entries")), other)] if other else lines


def kept_lines(kept: Mapping[str, int]) -> list[tuple[str, int]]:
    """(words, count) of what the law keeps."""
    return [(str(KEPT.get(kind, _("Other records that must stay"))), count) for kind, count in kept.items()]
