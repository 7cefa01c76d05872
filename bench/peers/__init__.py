"""Other people's ways to do the same, each a small program as its own users write it, measured beside ours."""
