"""What the web server serves."""

import os

from django.core.wsgi import get_wsgi_application

from eventsite.request import Request

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eventsite.settings")

application = get_wsgi_application()
application.request_class = Request
