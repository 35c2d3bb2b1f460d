"""Events, alerts and the evaluators that fire them."""

from rtstream.engine.alerts.firings import Firings, FiringWriter
from rtstream.engine.alerts.groups import AlertGroups
from rtstream.engine.alerts.indexes import AlertIndexes, IndexKinds
from rtstream.engine.alerts.matcher import EventMatcher
from rtstream.engine.alerts.scene_evaluator import SceneEvaluator
from rtstream.engine.alerts.service import AlertService
from rtstream.engine.alerts.transcripts import NEEDED_BY, AlertTranscripts

__all__ = [
    "NEEDED_BY",
    "AlertGroups",
    "AlertIndexes",
    "AlertService",
    "AlertTranscripts",
    "EventMatcher",
    "FiringWriter",
    "Firings",
    "IndexKinds",
    "SceneEvaluator",
]
