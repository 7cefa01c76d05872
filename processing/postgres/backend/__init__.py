"""Django's PostgreSQL backend, whose transactions begin with their own settings; `DATABASES` names it as ENGINE."""
