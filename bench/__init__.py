"""`python -m bench`: what the pipeline does in a second, beside what the services underneath could do at most."""
