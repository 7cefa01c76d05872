"""Django's, for the table alone."""

import os

import dj_database_url

SECRET_KEY = "of a measurement"
DATABASES = {"default": dj_database_url.parse(os.environ["DATABASE_URL"], conn_max_age=60)}
