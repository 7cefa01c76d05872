"""Files of events, one a line: what a line is, what identifies it, and how a whole file is applied."""
