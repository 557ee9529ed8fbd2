"""The emergency number of the country that the person chose, never of the language they read.

Sources: ITU-T E.161.1 and national listings; a test compares every entry with the maintained `phonenumbers` data.
Where a country has one number for all services it stands here, otherwise that of the ambulance.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

FALLBACK = "112"

COUNTRIES_BY_NUMBER: dict[str, str] = {
    "112": (
        "AD AL AM AT AX AZ BE BG CY CZ DE DK EE ES FI FO FR GE GL GR HR HU IN IS IT KR KW LI LT LU LV MC MD ME "
        "MK MT NL PL PT RO RS RU RW SE SI SK SM TR VA XK ZA ZM"
    ),
    "911": "AG AI AR AS AW BM BS CA CR DO EC FJ FM GD GU KY LC LR MH MP MX PA PE PH PR PW PY SV TC US UY VC VE VG VI",
    "999": "BB BH GB GG HK IE IM JE KE MO MY PL QA SC SG SS SZ UG ZW FK CK MU",
    "995": "SG",
    "000": "AU CC CX",
    "111": "NZ",
    "119": "JP KP LK TW",
}
