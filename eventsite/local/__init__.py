"""The site on one machine: `make run`, `make reset`, `make services`. No process of the Procfile imports it."""
