"""The intake form: photos by kind of shot and the questions of `diagnosis.questions`, built from its table."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from diagnosis.models import IntakePhoto, Shot
from diagnosis.questions import BY_KEY, QUESTIONS, SCREENS, AnswersError, Question, clean_answers, form_definition

PHOTO_TYPES = "image/jpeg,image/png,image/webp,image/heic,image/heif,.heic,.heif"
MANY = 12  # more options than this read better as a list to pull down
YES_NO = [("yes", _("Yes")), ("no", _("No"))]
FIRST_SCREEN = "emergency"
PHOTO_SCREEN = "photos"
SCREEN_ORDER = (PHOTO_SCREEN, *(screen for screen in SCREENS if screen != FIRST_SCREEN))
MAP_QUESTION = "site"  # answered on a drawing of the body, with the list of places beside it


class PhotosInput(forms.FileInput):
    """A file input that gives every file that came under its name."""

    allow_multiple_selected = True

    def value_from_datadict(self, data, files, name) -> list:
        return files.getlist(name)


class PhotosField(forms.Field):
    """Any number of files, unopened: `diagnosis.images` decodes them and is the only judge."""

    def __init__(self, *, label: Promise, multiple: bool = False) -> None:
        attrs: dict[str, Any] = {"accept": PHOTO_TYPES, "data-photo": "", "multiple": multiple}
        super().__init__(label=label, required=False, widget=PhotosInput(attrs))


class AnswerField(forms.Field):
    """One question. It takes the raw value; `clean_answers` checks all answers together."""

    def __init__(self, question: Question) -> None:
        definition = _definitions()[question.key]
        super().__init__(
            required=False, label=question.text, help_text=question.help, widget=_widget(question, definition)
        )
        self.question = question
        self.optional_mark = not question.required
        self.unit = question.unit if question.kind == "int" else ""


def _definitions() -> dict[str, dict[str, Any]]:
    return {one["key"]: one for screen in form_definition() for one in screen["questions"]}


def _widget(question: Question, definition: dict[str, Any]) -> forms.Widget:
    if question.kind == "multi":
        return forms.CheckboxSelectMultiple(choices=definition["options"], attrs={"data-exclusive": question.exclusive})
    if question.kind == "int":
        return forms.NumberInput({"min": question.minimum, "max": question.maximum, "inputmode": "numeric"})
    choices = YES_NO if question.kind == "bool" else definition["options"]
    must = {"required": True} if question.required else {}
    if len(choices) > MANY and question.key != MAP_QUESTION:
        return forms.Select(choices=[("", _("Please choose")), *choices], attrs=must)
    return forms.RadioSelect(choices=choices, attrs=must)


class AnswersForm(forms.Form):
    """Questions as fields. `screens` limits which ones; the rest of a partial form is not asked for."""

    def __init__(self, *args, screens: tuple[str, ...] = tuple(SCREENS), **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.questions = [question for question in QUESTIONS if question.screen in screens]
        for question in self.questions:
            self.fields[question.key] = AnswerField(question)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        raw = {question.key: cleaned.get(question.key) for question in self.questions}
        partial = len(self.questions) < len(QUESTIONS)
        try:
            self.answers = clean_answers(raw, partial=partial)
            self._require(partial)
        except AnswersError as error:
            for key, sentence in error.errors.items():
                self.add_error(key, sentence)
        return cleaned

    def _require(self, partial: bool) -> None:
        """A partial form still asks for the required questions that it shows."""
        missing = [q.key for q in self.questions if partial and q.required and q.key not in self.answers]
        if missing:
            raise AnswersError({key: str(_("Please answer this question.")) for key in missing})

    def screens(self) -> Iterator[tuple[str, str | Promise, list[BoundField]]]:
        """(code, title, fields) of each screen in order."""
        for code, title in SCREENS.items():
            fields = [self[question.key] for question in self.questions if question.screen == code]
            if fields:
                yield code, title, fields


class EmergencyForm(AnswersForm):
    """The first page: country and warning signs, before any photo."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, screens=(FIRST_SCREEN,), **kwargs)

    @property
    def is_emergency(self) -> bool:
        """True when a warning sign was ticked, even beside "none" or with another answer missing."""
        field = self.fields["red_flags"]
        ticked = field.widget.value_from_datadict(self.data, self.files, "red_flags") or []
        return bool(set(ticked) & set(BY_KEY["red_flags"].codes) - {"none"})


class CaseForm(AnswersForm):
    """A whole check: the answers, and the photos that already wait for it (`services.intake`)."""

    submission_key = forms.UUIDField(widget=forms.HiddenInput)
    photo_close_up = PhotosField(label=_("Close-up"))
    photo_angle = PhotosField(label=_("At an angle"))
    photo_distance = PhotosField(label=_("From a distance"))
    photo_other = PhotosField(label=_("More photos"), multiple=True)
    ask_dermatologist = forms.BooleanField(
        required=False, label=_("Send it anyway and ask a dermatologist to look at the photos")
    )

    SHOT_FIELDS = {
        "photo_close_up": Shot.CLOSE_UP,
        "photo_angle": Shot.ANGLE,
        "photo_distance": Shot.DISTANCE,
        "photo_other": Shot.OTHER,
    }

    def __init__(
        self,
        *args,
        photos: Sequence[IntakePhoto] = (),
        photo_errors: Sequence[str] = (),
        refusal: str = "",
        sending: bool = True,
        **kwargs,
    ) -> None:
        """`photo_errors`: why files of this request were refused. `refusal`: why nothing is accepted now.

        `sending`: False while the person is still on the way; then nobody waits for our own look at the photos.
        """
        kwargs.setdefault("initial", {}).setdefault("submission_key", uuid.uuid4())
        super().__init__(*args, **kwargs)
        self.photos, self.photo_errors, self.refusal, self.sending = photos, photo_errors, refusal, sending
        for question in self.questions:
            if question.screen == FIRST_SCREEN:
                self.fields[question.key].widget = _hidden(question)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if self.refusal:
            self.add_error(None, self.refusal)
            return cleaned
        sentences = list(self.photo_errors) or photo_problems(self.photos, wait=self.sending)
        for sentence in sentences:
            self.add_error("photo_close_up", sentence)
        return cleaned

    @property
    def is_looking(self) -> bool:
        """Nothing is wrong but that a worker is still looking at the photos."""
        fields = set(self.errors) - {"photo_close_up"}
        return not fields and not self.photo_errors and not all(photo.is_looked_at for photo in self.photos)

    def keep_errors_of(self, screen: str) -> None:
        """Forget the errors of screens that the person has not come to."""
        fields = {question.key for question in self.questions if question.screen == screen}
        fields |= {*self.SHOT_FIELDS, "__all__"} if screen == PHOTO_SCREEN else set()
        for name in set(self.errors) - fields:
            del self.errors[name]

    @property
    def first_faulty_screen(self) -> str:
        """Where the person should look first."""
        faulty = {question.screen for question in self.questions if question.key in self.errors}
        ordered = [screen for screen in SCREENS if screen in faulty and screen != FIRST_SCREEN]
        photos = {*self.SHOT_FIELDS, "__all__"} & set(self.errors)
        return PHOTO_SCREEN if photos or not ordered else ordered[0]

    @property
    def is_poor(self) -> bool:
        return any(photo.is_poor for photo in self.photos)

    def shots(self) -> list[BoundField]:
        return [self[name] for name in self.SHOT_FIELDS]

    def body_screens(self) -> list[tuple[str, str | Promise, list[BoundField]]]:
        """The screens after the photos."""
        return [screen for screen in self.screens() if screen[0] != FIRST_SCREEN]


def photo_problems(photos: Sequence[IntakePhoto], *, wait: bool) -> list[str]:
    """Why these photos cannot be sent yet, one sentence each. `wait`: also because we are still looking at them."""
    if not photos:
        return [gettext("Please add at least one photo.")]
    if wait and not all(photo.is_looked_at for photo in photos):
        return [gettext("We are still looking at your photos. Please try again in a moment.")]
    sentence = gettext("Photo %(number)d: a face can be seen. Please say below what should happen with it.")
    return [sentence % {"number": number} for number, photo in enumerate(photos, start=1) if photo.shows_face]


class IntakePhotoForm(forms.Form):
    """Which check a received photo belongs to, and which shot it is."""

    submission_key = forms.UUIDField()
    shot = forms.ChoiceField(choices=Shot.choices)


class CutForm(forms.Form):
    """How many per cent of each edge are cut off."""

    top = forms.IntegerField(min_value=0, max_value=90, required=False, label=_("Top"))
    bottom = forms.IntegerField(min_value=0, max_value=90, required=False, label=_("Bottom"))
    left = forms.IntegerField(min_value=0, max_value=90, required=False, label=_("Left"))
    right = forms.IntegerField(min_value=0, max_value=90, required=False, label=_("Right"))

    @property
    def edges(self) -> dict[str, int]:
        return {name: self.cleaned_data[name] or 0 for name in self.fields}


def _hidden(question: Question) -> forms.Widget:
    return forms.MultipleHiddenInput() if question.kind == "multi" else forms.HiddenInput()
