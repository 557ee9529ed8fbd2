"""Advice: complete, sourced, without drug names, readable; other languages have the same shape or fall back."""

import re
import tomllib

import pytest

from diagnosis import content, triage
from diagnosis.content import BLOCK_KEYS, MESSAGE_KEYS, advice_for, available_locales, message_for
from diagnosis.questions import QUESTIONS
from ml.taxonomy import SLUGS

SOURCES = (
    "https://www.nhs.uk/conditions/",
    "https://www.who.int/",
    "https://dermnetnz.org/",
    "https://www.aad.org/public/diseases/",
)
DRUG_NAMES = """
hydrocortisone betamethasone clobetasol mometasone triamcinolone prednisone prednisolone tacrolimus pimecrolimus
methotrexate ciclosporin cyclosporine azathioprine adalimumab secukinumab ustekinumab dupilumab tofacitinib ruxolitinib
upadacitinib acitretin isotretinoin tretinoin adapalene tazarotene benzoyl salicylic azelaic clindamycin erythromycin
doxycycline lymecycline minocycline fluorouracil imiquimod diclofenac tirbanibulin vismodegib sonidegib cemiplimab
pembrolizumab nivolumab ipilimumab vemurafenib dabrafenib clotrimazole miconazole terbinafine ketoconazole fluconazole
itraconazole griseofulvin nystatin podophyllotoxin cantharidin calcipotriol dithranol hydroquinone spironolactone
flucloxacillin aciclovir cetirizine loratadine ibuprofen paracetamol aspirin urea
"""
MAX_GRADE = 7.0


def grade(text):
    """Flesch-Kincaid grade: 0.39 words per sentence + 11.8 syllables per word - 15.59 (Kincaid 1975)."""
    sentences = max(1, len(re.findall(r"[.!?:](?:\s|$)", text)))
    words = re.findall(r"[A-Za-z'’]+", text)
    return 0.39 * len(words) / sentences + 11.8 * sum(map(syllables, words)) / len(words) - 15.59


def syllables(word):
    word = word.lower()
    count = len(re.findall(r"[aeiouy]+", word))
    silent = word.endswith("e") and not word.endswith("le") and count > 1
    return max(1, count - silent)


def blocks(locale):
    return [(slug, block) for slug in SLUGS for block in advice_for(slug, locale)]


def texts(locale):
    return [block.text for _, block in blocks(locale)] + [message_for(key, locale).text for key in MESSAGE_KEYS]


@pytest.mark.parametrize(
    ("text", "expected"), [("The cat sat on the mat.", -1.45), ("Dermatological examination.", 50.09)]
)
def test_the_measure_measures(text, expected):
    assert grade(text) == pytest.approx(expected)


@pytest.mark.parametrize("locale", available_locales())
@pytest.mark.parametrize("slug", SLUGS)
def test_five_blocks_none_empty(slug, locale):
    advice = advice_for(slug, locale)
    assert [block.key for block in advice] == list(BLOCK_KEYS)
    for block in advice:
        assert len(block.text) > 40
        assert block.title
        assert block.version
        assert block.locale == locale
        assert block.source_url.startswith(SOURCES)
        assert isinstance(block.clinically_reviewed_by, str)


@pytest.mark.parametrize("locale", available_locales())
def test_files_have_nothing_but_the_known_keys(locale):
    file = tomllib.loads((content.FOLDER / f"{locale}.toml").read_text(encoding="utf-8"))
    assert set(file) == {"locale", "version", "headings", "messages", *SLUGS}
    assert set(file["headings"]) == set(BLOCK_KEYS)
    assert set(file["messages"]) == set(MESSAGE_KEYS)
    for slug in SLUGS:
        assert set(file[slug]) == {"source_url", "clinically_reviewed_by", *BLOCK_KEYS}


def test_no_text_is_used_twice():
    assert len(set(texts("en"))) == len(texts("en"))


@pytest.mark.parametrize("locale", available_locales())
def test_no_drug_and_no_dose(locale):
    for text in texts(locale):
        assert not set(re.findall(r"\w+", text.lower())) & set(DRUG_NAMES.split()), text
        assert not re.search(r"\d\s*(mg|µg|ml|mcg)\b", text), text


def test_nothing_is_called_benign():
    assert not [text for text in texts("en") if "benign" in text.lower()]


@pytest.mark.parametrize(("slug", "block"), blocks("en"), ids=lambda value: getattr(value, "key", value))
def test_each_block_reads_easily(slug, block):
    assert grade(block.text) <= MAX_GRADE + 1.5


def test_the_texts_as_a_whole_read_at_the_age_of_twelve():
    assert grade(" ".join(texts("en"))) <= MAX_GRADE


def test_triage_texts_and_questions_read_easily():
    spoken = [*map(str, triage.safety_net()), *(str(triage.next_step(tier)) for tier in triage.texts.NEXT_STEPS)]
    spoken += [str(text) for text in triage.texts.RULE_TEXTS.values()]
    spoken += [str(text) for text in triage.texts.REVIEW_TEXTS.values()]
    asked = [f"{question.text} {question.help}" for question in QUESTIONS]
    assert grade(" ".join(spoken)) <= MAX_GRADE
    assert grade(" ".join(asked)) <= MAX_GRADE


def test_urgent_classes_say_two_weeks():
    assert "within 2 weeks" in advice_for("melanoma")[4].text
    assert "misses some skin cancers" in message_for("normal").text
    assert "squamous cell carcinoma" in message_for("not_covered").text


def test_a_missing_language_falls_back_and_says_so():
    assert {block.locale for block in advice_for("acne", "fi")} == {"en"}
    assert message_for("normal", "fi").locale == "en"
    assert advice_for("acne", "en-gb") == advice_for("acne", "en")


@pytest.fixture
def half_translated(tmp_path, monkeypatch):
    english = (content.FOLDER / "en.toml").read_text(encoding="utf-8")
    (tmp_path / "en.toml").write_text(english, encoding="utf-8")
    acne = '[acne]\nsource_url="https://www.nhs.uk/conditions/acne/"\nclinically_reviewed_by="Dr. X"\n'
    head = 'locale="de"\nversion="1"\n[headings]\nwhat_it_is="Was es ist"\n'
    (tmp_path / "de.toml").write_text(f'{head}{acne}what_it_is="Akne ist häufig."\ntreatment=""\n', encoding="utf-8")
    monkeypatch.setattr(content, "FOLDER", tmp_path)
    clear_caches()
    yield
    clear_caches()


def clear_caches():
    content._file.cache_clear()
    content._advice.cache_clear()


@pytest.mark.usefixtures("half_translated")
def test_each_text_falls_back_alone():
    advice = advice_for("acne", "de")
    assert [block.locale for block in advice] == ["de", "en", "en", "en", "en"]
    assert advice[0].clinically_reviewed_by == "Dr. X"
    assert advice[2].clinically_reviewed_by == ""
    assert [block.title for block in advice][:2] == ["Was es ist", "What you can do"]


def test_what_does_not_exist_is_none_or_an_error():
    assert advice_for("lupus") == [], "a class of a newer release has no advice yet"
    with pytest.raises(KeyError):
        message_for("lupus")
