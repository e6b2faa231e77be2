"""A warm process that holds networks and answers requests for previews."""

from dreamflow.studio.worker.client import PreviewWorker
from dreamflow.studio.worker.messages import (
    Answer,
    LayerFacts,
    LayersListed,
    PreviewDropped,
    PreviewFailed,
    PreviewPicture,
    PreviewRequest,
    WorkerReady,
    WorkerRestarted,
)

__all__ = [
    "Answer",
    "LayerFacts",
    "LayersListed",
    "PreviewDropped",
    "PreviewFailed",
    "PreviewPicture",
    "PreviewRequest",
    "PreviewWorker",
    "WorkerReady",
    "WorkerRestarted",
]
