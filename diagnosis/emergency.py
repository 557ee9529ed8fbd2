"""The emergency number of the country that the person chose, never of the language they read.

Where one number serves all, it stands here, otherwise the ambulance's. Only numbers we are sure of: a test compares
them with the maintained `phonenumbers` data; every other country gets the sentence with the fallback.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

# GSM phones reach help through 112 in most networks, even where it is not the national number.
FALLBACK = "112"

COUNTRIES_BY_NUMBER: dict[str, str] = {
    "112": (
        "AT AX BE BG BT CY CZ DE DK EE ES FI FO FR GE GI GL GR HR HU IN IS IT KW LT LU LV MC MD ME MK MT NG NL PL "
        "PT RO RU SE SI SK TR TZ UA VA VU XK"
    ),
    "911": (
        "AG AI AS AW BM BS BZ CA CR DM DO EC FJ GD GU JO KN KY LC MH MP MS MX PA PH PR PW PY SV TC TO US UY VC VE VG VI"
    ),
    "999": "BD BH FK GB GG HK IE IM JE KE MO MY QA SB SC SH UG ZW",
    "000": "AU CC CX",
    "111": "NZ PG",
    "113": "NO SJ",
    "144": "CH LI",
    "119": "ID JP KH KR TW",
    "120": "CN",
    "115": "IR SR VN",
    "102": "MV NP",
    "103": "AM AZ BY KG KZ MN TJ",
    "101": "IL PS",
    "104": "CU",
    "107": "AR",
    "110": "JM SY",
    "114": "MU",
    "116": "AD",
    "117": "MZ",
    "118": "BO SM",
    "122": "IQ",
    "123": "CO EG",
    "124": "BA",
    "127": "AL",
    "128": "NI",
    "131": "CL",
    "140": "LB",
    "15": "GF GP MA MF MQ NC PF PM RE WF YT",
    "185": "CI",
    "190": "TN",
    "192": "BR",
    "193": "GH",
    "195": "LA",
    "511": "BB",
    "913": "GY",
    "990": "TT",
    "991": "BN",
    "995": "SG",
    "997": "BW SA",
    "998": "AE MW",
    "1122": "PK",
    "1669": "TH",
    "1990": "LK",
    "9999": "OM",
    "10177": "ZA",
}

NUMBERS: dict[str, str] = {
    country: number for number, countries in COUNTRIES_BY_NUMBER.items() for country in countries.split()
}


@dataclass(frozen=True)
class EmergencyCall:
    """The number to dial; ``certain`` is False where only the fallback is known."""

    number: str
    certain: bool

    @property
    def sentence(self) -> str:
        """What to do, in the active language."""
        if self.certain:
            return _("Call %(number)s now. Do not wait for this service.") % {"number": self.number}
        return _("Call %(number)s or your local emergency number now. Do not wait for this service.") % {
            "number": self.number
        }


def emergency_call(country: str) -> EmergencyCall:
    """Whom to call in ``country`` (ISO 3166-1 alpha-2, any case; unknown or empty: the fallback)."""
    number = NUMBERS.get(country.upper())
    return EmergencyCall(number or FALLBACK, certain=number is not None)
