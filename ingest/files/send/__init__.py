"""Files of events sent to a running server: in which order lines may go, and how they are sent."""
