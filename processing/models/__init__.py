"""The tables. Postgres is the truth; `processing.postgres` has all SQL over them."""

from processing.models.alerts import Alert
from processing.models.counts import Count
from processing.models.effects import Effect
from processing.models.events import DeadLetter, HotStateOutbox, ImportRun, InboxEvent, Retention
from processing.models.failures import FailedAttempt, FailureGroup, Traceback
from processing.models.kinds import Kind
from processing.models.lanes import Lane, PassedGap
from processing.models.log import AddedPartition, Loss, PartitionPosition
from processing.models.operators import OperatorAction
from processing.models.processes import PipelineState, Process
from processing.models.replays import Edit, ReplayItem, ReplayRun

__all__ = [
    "AddedPartition",
    "Alert",
    "Count",
    "DeadLetter",
    "Edit",
    "Effect",
    "FailedAttempt",
    "FailureGroup",
    "HotStateOutbox",
    "ImportRun",
    "InboxEvent",
    "Kind",
    "Lane",
    "Loss",
    "OperatorAction",
    "PartitionPosition",
    "PassedGap",
    "PipelineState",
    "Process",
    "ReplayItem",
    "ReplayRun",
    "Retention",
    "Traceback",
]
