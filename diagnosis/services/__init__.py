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
from diagnosis.services.cases import PartnerTerms, case_erase, case_submit, cases_expire, may_submit
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
from diagnosis.services.webhook_deliveries import (
    delivery_finish,
    delivery_replay,
    endpoint_tell,
    endpoint_test,
    event_publish,
    webhook_log_expire,
    webhooks_sweep,
)
from diagnosis.services.webhook_endpoints import (
    endpoint_create,
    endpoint_delete,
    endpoint_disable,
    endpoint_disabled_mail,
    endpoint_rotate,
    endpoint_update,
)

__all__ = [
    "PartnerTerms",
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
    "delivery_finish",
    "delivery_replay",
    "endpoint_create",
    "endpoint_delete",
    "endpoint_disable",
    "endpoint_disabled_mail",
    "endpoint_rotate",
    "endpoint_tell",
    "endpoint_test",
    "endpoint_update",
    "event_publish",
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
    "webhook_log_expire",
    "webhooks_sweep",
]
