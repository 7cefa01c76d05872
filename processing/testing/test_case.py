"""The pipeline for `django.test.TestCase`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processing.testing.pipeline import Pipeline

if TYPE_CHECKING:
    from django.test import TestCase as _Case
else:
    _Case = object


class PipelineMixin(_Case):
    """Put it before `django.test.TestCase`: `self.pipeline` is the pipeline."""

    def setUp(self) -> None:
        super().setUp()
        self.pipeline = Pipeline()
        self.addCleanup(self.pipeline.close)
