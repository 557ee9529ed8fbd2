"""Serving without torch: `get_engine().predict([bytes, ...])` gives one `PhotoResult` per photo."""

from ml.serving.engine import Engine, EngineError, get_engine
from ml.serving.results import CaseResult, MemberVote, PhotoResult, combine

__all__ = ["CaseResult", "Engine", "EngineError", "MemberVote", "PhotoResult", "combine", "get_engine"]
