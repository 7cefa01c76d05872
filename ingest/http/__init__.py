"""HTTP: reading requests, writing answers and problems."""
