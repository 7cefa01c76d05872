"""The commands of `manage.py`: arguments in, a call of a lower floor, a report out."""
