"""All SQL of the app; the one place where an event's status changes and its version is raised."""
