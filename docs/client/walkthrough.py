"""From a photo to a result with the generated client: python walkthrough.py SITE KEY PHOTO [WEBHOOK_ADDRESS]."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TypeVar

from smartderma_client import AuthenticatedClient
from smartderma_client.api.analyses import analyses_create, analyses_destroy, analyses_retrieve
from smartderma_client.api.webhook_endpoints import webhook_endpoints_create, webhook_endpoints_test_create
from smartderma_client.models import (
    AnalysisWithPhotos,
    AnalysisWithPhotosAnswers,
    Problem,
    WebhookEndpointRequest,
    WebhookEventType,
)
from smartderma_client.types import File

ANSWERS = {"country": "GB", "red_flags": ["none"], "age_band": "40_49", "site": "arm"}
Body = TypeVar("Body")


def good(answer: Body | Problem | None) -> Body:
    """The body, or the end of the program with what the problem says."""
    if answer is None or isinstance(answer, Problem):
        sys.exit(f"{answer.status} {answer.title}: {answer.detail}" if answer else "an answer outside the schema")
    return answer


def main(site: str, key: str, photo: str, webhook: str = "") -> None:
    client = AuthenticatedClient(base_url=site, token=key, timeout=30)
    with Path(photo).open("rb") as file:
        part = File(payload=file, file_name="photo.jpg", mime_type="image/jpeg")
        answers = AnalysisWithPhotosAnswers.from_dict(ANSWERS)
        request = AnalysisWithPhotos(photos=[part], answers=answers, external_patient="patient-17")
        job = good(analyses_create.sync(client=client, body=request))
    while job.status in {"queued", "running"}:
        time.sleep(2)
        job = good(analyses_retrieve.sync(job.id, client=client))
    print(f"{job.status}: outcome {job.outcome}, urgency {job.tier}, release {job.release}")
    for row in job.predictions[:3]:
        print(f"  {row.probability:5.1%} {row.label} (ICD-10 {row.icd10 or 'none'})")

    fhir = client.get_httpx_client().get(f"/api/v1/analyses/{job.id}", headers={"Accept": "application/fhir+json"})
    report = next(e["resource"] for e in fhir.json()["entry"] if e["resource"]["resourceType"] == "DiagnosticReport")
    print(f"FHIR: DiagnosticReport is {report['status']}")

    if webhook:
        hook = WebhookEndpointRequest(url=webhook, events=[WebhookEventType.ANALYSIS_SUCCEEDED])
        endpoint = good(webhook_endpoints_create.sync(client=client, body=hook))
        message = good(webhook_endpoints_test_create.sync(endpoint.id, client=client))
        print(f"Webhook: secret {endpoint.secret[:10]}..., test message {message.message_id}")

    gone = analyses_destroy.sync_detailed(job.id, client=client)
    print(f"Erased: {gone.status_code.value}")


if __name__ == "__main__":
    main(*sys.argv[1:])
