"""The site: settings, urls, the Celery app; `local` brings its services up on one machine."""
