"""Tests of handlers: the real check, inbox, lanes and handlers in a test's transaction, without any other service."""

from processing.testing.pipeline import Outcome as Outcome
from processing.testing.pipeline import Pipeline as Pipeline
from processing.testing.test_case import PipelineMixin as PipelineMixin
