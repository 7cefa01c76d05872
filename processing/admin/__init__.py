"""The operator's pages: what they show is read-only, what they do is in `processing.operators`."""

from processing.admin import dead_letters as dead_letters
from processing.admin import effects as effects
from processing.admin import events as events
from processing.admin import failure_groups as failure_groups
from processing.admin import import_runs as import_runs
from processing.admin import kinds as kinds
from processing.admin import lanes as lanes
from processing.admin import losses as losses
from processing.admin import operator_actions as operator_actions
from processing.admin import passed_gaps as passed_gaps
from processing.admin import processes as processes
from processing.admin import replay_runs as replay_runs
