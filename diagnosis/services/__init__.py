"""Every change of state of a case: keyword-only, named noun_verb, one transaction each, guarded in the database."""

from diagnosis.services.analyses import (
    analyses_sweep,
    analysis_complete,
    analysis_fail,
    analysis_queue,
    analysis_requeue,
    analysis_retry,
    analysis_send,
    png_of_heatmap,
)
from diagnosis.services.cases import case_erase, case_submit, cases_expire, may_submit
from diagnosis.services.files import files_delete_pending
from diagnosis.services.reviews import review_request, review_sign
from diagnosis.services.steps import WrongState, case_apply_triage, review_time
from diagnosis.services.uploads import (
    UploadError,
    WrongOffset,
    upload_append,
    upload_erase,
    upload_join,
    upload_start,
    uploads_erase,
    uploads_expire,
)

__all__ = [
    "UploadError",
    "WrongOffset",
    "WrongState",
    "analyses_sweep",
    "analysis_complete",
    "analysis_fail",
    "analysis_queue",
    "analysis_requeue",
    "analysis_retry",
    "analysis_send",
    "case_apply_triage",
    "case_erase",
    "case_submit",
    "cases_expire",
    "files_delete_pending",
    "may_submit",
    "png_of_heatmap",
    "review_request",
    "review_sign",
    "review_time",
    "upload_append",
    "upload_erase",
    "upload_join",
    "upload_start",
    "uploads_erase",
    "uploads_expire",
]
