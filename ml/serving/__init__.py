"""Serving: `get_engine().predict([bytes, ...])` gives one `PhotoResult` per photo. On a CPU without torch."""

from ml.serving.devices import EngineError
from ml.serving.engine import Engine, get_engine
from ml.serving.results import CaseResult, MemberVote, PhotoResult, combine

__all__ = ["CaseResult", "Engine", "EngineError", "MemberVote", "PhotoResult", "combine", "get_engine"]
