"""Licence documents: opened, not believed, and stored without anything but pages or pixels."""

from __future__ import annotations

import io

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.utils.translation import gettext as _

from ml.photo import PhotoError, open_photo

MAX_DOCUMENT_BYTES = 10 * 1024 * 1024
MAX_PAGES = 20
ACTIVE = ("/AA", "/Annots")  # what a page may do when it is opened, links and attached files


def checked_document(file) -> ContentFile:
    """A PDF with its pages only, or a photo as a fresh JPEG. Raises ValidationError for anything else."""
    data = file.read(MAX_DOCUMENT_BYTES + 1)
    if len(data) > MAX_DOCUMENT_BYTES:
        raise ValidationError(_("This document is larger than 10 MB."))
    if data.startswith(b"%PDF-"):
        return ContentFile(_pages_only(data), name="document.pdf")
    try:
        picture = open_photo(data)
    except PhotoError as error:
        raise ValidationError(_("Please send a PDF or a photo of your licence that can be opened.")) from error
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=88)
    return ContentFile(buffer.getvalue(), name="document.jpg")


def _pages_only(data: bytes) -> bytes:
    """The pages in a new file: scripts, forms, attachments and actions of the document stay behind."""
    from pypdf import PdfReader, PdfWriter  # 7 MB that hardly any web process needs

    try:
        reader = PdfReader(io.BytesIO(data))
        count = 0 if reader.is_encrypted else len(reader.pages)
        if not 0 < count <= MAX_PAGES:
            raise ValidationError(_("Please send a PDF of 1 to 20 pages without a password."))
        writer = PdfWriter()
        for page in reader.pages:
            for key in ACTIVE:
                page.pop(key, None)
            writer.add_page(page)
        buffer = io.BytesIO()
        writer.write(buffer)
    except ValidationError:
        raise
    except Exception as error:  # a parser raises dozens of types on hostile bytes
        raise ValidationError(_("This PDF cannot be opened.")) from error
    return buffer.getvalue()
