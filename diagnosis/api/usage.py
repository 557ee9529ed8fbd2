"""`usage`: what the plan allows, what is left of it, and what was used day by day."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Plan
from accounts.services_partners import analyses_this_month, limits_of, next_month, usage_by_day
from diagnosis import services
from diagnosis.api.shared import PartnerResource, key_of
from diagnosis.models import Analysis


@extend_schema_serializer(component_name="Limits")
class LimitsBody(serializers.Serializer):
    """Requests are counted per key, analyses per partner; the sandbox counts for itself."""

    requests_per_minute = serializers.IntegerField()
    analyses_per_month = serializers.IntegerField()
    concurrent = serializers.IntegerField()


@extend_schema_serializer(component_name="UsageDay")
class DayBody(serializers.Serializer):
    """One day, UTC. `refused`: requests answered with 429."""

    day = serializers.DateField()
    requests = serializers.IntegerField()
    refused = serializers.IntegerField()
    analyses = serializers.IntegerField()


@extend_schema_serializer(component_name="Usage", many=False)
class UsageBody(serializers.Serializer):
    """`analyses_left` starts again at `resets_at`; erased analyses stay counted."""

    plan = serializers.ChoiceField(Plan.choices)
    sandbox = serializers.BooleanField()
    limits = LimitsBody()
    analyses_this_month = serializers.IntegerField()
    analyses_left = serializers.IntegerField()
    analyses_open = serializers.IntegerField()
    resets_at = serializers.DateTimeField()
    days = DayBody(many=True)


class UsageQuery(serializers.Serializer):
    """How many days to show."""

    days = serializers.IntegerField(min_value=1, max_value=366, default=30)


class UsageViewSet(PartnerResource):
    """Plan and use of your partner, all keys of the same kind (live or sandbox) together."""

    serializer_class = UsageBody
    scopes = {"get": "analysis:read"}
    queryset = Analysis.objects.none()
    pagination_class = None

    @extend_schema(parameters=[UsageQuery], responses={200: UsageBody})
    def list(self, request: Request) -> Response:
        """What you used and what is left."""
        query = UsageQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        return Response(UsageBody(usage_of(key_of(request), query.validated_data["days"])).data)


def usage_of(key, days: int) -> dict[str, Any]:
    """The numbers of a key's partner."""
    limits = limits_of(key.partner)
    used = analyses_this_month(partner=key.partner, sandbox=key.sandbox)
    return {
        "plan": key.partner.plan,
        "sandbox": key.sandbox,
        "limits": vars(limits),
        "analyses_this_month": used,
        "analyses_left": max(limits.analyses_per_month - used, 0),
        "analyses_open": services.analyses_open(key=key),
        "resets_at": next_month(),
        "days": usage_by_day(partner=key.partner, sandbox=key.sandbox, days=days),
    }
