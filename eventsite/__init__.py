"""The site: settings, urls, the Celery app; `local` brings its services up on one machine."""

import gc

# What is imported stays: to look through it for garbage takes a seventh of a process's start. `apps` ends this.
COLLECTED_AT = gc.get_threshold()
gc.set_threshold(100_000)
