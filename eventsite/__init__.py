"""The site: settings, urls, the Celery app, and the embedded services for a laptop."""
