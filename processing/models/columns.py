"""What several tables say of their columns."""

BYTE_ORDER = "C"  # ids and users are locked in byte order, so they are stored in it
