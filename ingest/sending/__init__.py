"""Files of events: what a line is, in which order lines may go, and how they are sent."""
