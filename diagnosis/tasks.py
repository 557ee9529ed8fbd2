"""Celery tasks: thin, ids in, safe to run twice (rule 4 of the design)."""

from __future__ import annotations

import time

import structlog
from celery import shared_task
from django.conf import settings

from diagnosis import services, webhooks
from diagnosis.inference import run_analysis
from diagnosis.models import Notice, WebhookDelivery
from smartderma import outbound

log = structlog.get_logger(__name__)
WEBHOOK_TURN_SECONDS = 20


LIMITS = {
    "soft_time_limit": settings.ANALYSIS_SOFT_LIMIT_SECONDS,
    "time_limit": settings.ANALYSIS_HARD_LIMIT_SECONDS,
}


@shared_task(soft_time_limit=LIMITS["soft_time_limit"], time_limit=LIMITS["time_limit"])
def run_analysis_task(analysis_id: str) -> None:
    """A patient's photos."""
    run_analysis(analysis_id)


@shared_task(soft_time_limit=LIMITS["soft_time_limit"], time_limit=LIMITS["time_limit"])
def run_partner_analysis_task(analysis_id: str) -> None:
    """A partner's photos. Inference workers take from this queue and from that of the patients in turn."""
    run_analysis(analysis_id)


@shared_task(soft_time_limit=LIMITS["soft_time_limit"], time_limit=LIMITS["time_limit"])
def run_bulk_analysis_task(analysis_id: str) -> None:
    """Photos of a batch or of the sandbox, on a queue that nobody waits for."""
    run_analysis(analysis_id)


@shared_task(soft_time_limit=60, time_limit=90)
def sweep_analyses_task() -> None:
    """Beat calls this; see `services.analyses_sweep`."""
    services.files_delete_pending()
    counts = services.analyses_sweep()
    if any(counts.values()):
        log.warning("analyses_swept", **counts)


@shared_task(soft_time_limit=60, time_limit=90)
def escalate_reviews_task() -> None:
    """Beat calls this; see `services.reviews_escalate`."""
    count = services.reviews_escalate()
    if count:
        log.warning("reviews_overdue", count=count)


@shared_task(soft_time_limit=300, time_limit=330)
def expire_cases_task() -> None:
    """Beat calls this every hour; see `services.cases_expire`."""
    count = services.cases_expire()
    if count:
        log.info("cases_expired", count=count)


@shared_task(soft_time_limit=60, time_limit=90)
def find_faces_task(photo_id: str) -> None:
    """Look for faces in a photo that was just received; see `services.photo_find_faces`."""
    services.photo_find_faces(photo_id=photo_id)


@shared_task(soft_time_limit=300, time_limit=330)
def expire_uploads_task() -> None:
    """Beat calls this: files that nobody finished sending, and photos of checks that nobody sent."""
    count = services.uploads_expire() + services.intake_expire()
    if count:
        log.info("uploads_expired", count=count)


@shared_task(soft_time_limit=60, time_limit=75)
def send_webhooks_task(endpoint_id: str) -> None:
    """Send what is due to one endpoint, until nothing is or others should have their turn."""
    begin = time.monotonic()
    while delivery := WebhookDelivery.objects.claim(endpoint_id):
        try:
            answer = webhooks.send(delivery)
        except Exception:
            services.delivery_finish(delivery=delivery, answer=outbound.Answer(error="internal"))
            raise
        services.delivery_finish(delivery=delivery, answer=answer)
        if time.monotonic() - begin > WEBHOOK_TURN_SECONDS:
            services.endpoint_tell(endpoint_id=delivery.endpoint_id)
            return


@shared_task(soft_time_limit=60, time_limit=90)
def sweep_webhooks_task() -> None:
    """Beat calls this; see `services.webhooks_sweep`."""
    services.webhooks_sweep()


@shared_task(soft_time_limit=300, time_limit=330)
def expire_webhook_log_task() -> None:
    """Beat calls this every hour; see `services.webhook_log_expire`."""
    services.webhook_log_expire()


@shared_task(soft_time_limit=60, time_limit=90)
def mail_endpoint_disabled_task(endpoint_id: str) -> None:
    """Tell the partner's contact that nothing more is sent to an endpoint."""
    services.endpoint_disabled_mail(endpoint_id=endpoint_id)


@shared_task(soft_time_limit=30, time_limit=45)
def send_notice_task(notice_id: str) -> None:
    """Claim an e-mail and hand it to the mail server; see `services.notice_deliver`."""
    notice = Notice.objects.claim(notice_id)
    if notice is not None:
        services.notice_deliver(notice=notice)


@shared_task(soft_time_limit=60, time_limit=90)
def sweep_notices_task() -> None:
    """Beat calls this; see `services.notices_sweep`."""
    counts = services.notices_sweep()
    if any(counts.values()):
        log.info("notices_swept", **counts)


@shared_task(soft_time_limit=120, time_limit=150)
def send_reminders_task() -> None:
    """Beat calls this; see `services.reminders_send`."""
    count = services.reminders_send()
    if count:
        log.info("reminders_sent", count=count)


@shared_task(soft_time_limit=600, time_limit=660)
def sweep_orphans_task() -> None:
    """Beat calls this; see `services.orphans_forget`."""
    count = services.orphans_forget()
    if count:
        log.warning("orphans_found", count=count)


@shared_task(soft_time_limit=300, time_limit=330)
def run_batch_task(batch_id: str) -> None:
    """Read the next items of a batch; see `services.batch_run`."""
    batch = services.batch_claim(batch_id=batch_id)
    if batch is not None:
        services.batch_run(batch=batch)


@shared_task(soft_time_limit=60, time_limit=90)
def sweep_partner_api_task() -> None:
    """Beat calls this: batches that nobody holds, answers that are older than their day."""
    services.batches_sweep()
    services.requests_expire()


@shared_task(soft_time_limit=300, time_limit=330)
def check_release_task(release_id: str) -> None:
    """Load a release and judge a drawn photo with it; see `services.release_check`."""
    services.release_check(release_id=release_id)


@shared_task(soft_time_limit=LIMITS["soft_time_limit"], time_limit=LIMITS["time_limit"])
def run_shadow_task(run_id: str) -> None:
    """A candidate release judges a case that has its result; see `services.shadow_run`."""
    services.shadow_run(run_id=run_id)


@shared_task(soft_time_limit=600, time_limit=630)
def build_training_export_task(export_id: str) -> None:
    """Put an export for training together; see `services.training_export_build`."""
    services.training_export_build(export_id=export_id)


@shared_task(soft_time_limit=120, time_limit=150)
def sweep_operations_task() -> None:
    """Beat calls this: checks, shadow runs and exports that nobody finished, exports that are over."""
    count = services.training_exports_sweep() + services.release_checks_sweep() + services.shadows_sweep()
    if count:
        log.info("operations_swept", count=count)
