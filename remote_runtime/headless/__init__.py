"""Runs a notebook that no front end shows: what ``farcell run`` does."""
