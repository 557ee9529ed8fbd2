"""Forms about the person, not about the skin."""

from __future__ import annotations

from django import forms

from accounts.models import Purpose, User


class ConsentForm(forms.Form):
    """One box per purpose; none is ticked beforehand and each can be taken back later."""

    care = forms.BooleanField(label=Purpose.CARE.label, required=False)
    storage = forms.BooleanField(label=Purpose.STORAGE.label, required=False)
    research = forms.BooleanField(label=Purpose.RESEARCH.label, required=False)
    similar = forms.BooleanField(label=Purpose.SIMILAR.label, required=False)

    @classmethod
    def of_user(cls, user: User, data=None) -> ConsentForm:
        """The form with the consents in force ticked."""
        held = user.consents.in_force().values_list("purpose", flat=True)
        return cls(data, initial=dict.fromkeys(held, True))

    @property
    def purposes(self) -> list[str]:
        """The ticked purposes of a valid form."""
        return [purpose for purpose in Purpose.values if self.cleaned_data[purpose]]
