"""How urgent a case is, from the answers and from what the model found. Pure: no database, no request.

The tier is the maximum over all rules; no rule lowers anything.
"""

from diagnosis.triage.assessing import Triage, assess
from diagnosis.triage.facts import IMAGE_REASONS, FiredRule, PredictionFacts, tier_rank
from diagnosis.triage.review import REVIEW_REASONS, review_deadline
from diagnosis.triage.rules import PHOTO_RULES, RULES
from diagnosis.triage.texts import next_step, review_reason_text, rule_text, safety_net, tier_label, unrecognised

__all__ = [
    "IMAGE_REASONS",
    "PHOTO_RULES",
    "REVIEW_REASONS",
    "RULES",
    "FiredRule",
    "PredictionFacts",
    "Triage",
    "assess",
    "next_step",
    "review_deadline",
    "review_reason_text",
    "rule_text",
    "safety_net",
    "tier_label",
    "tier_rank",
    "unrecognised",
]
