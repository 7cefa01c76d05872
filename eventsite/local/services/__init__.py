"""Services that run beside the site, for a laptop and for the tests: each a process of ours, its data in one folder."""
