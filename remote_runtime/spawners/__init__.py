"""Spawners: what offers, starts, stops and lists containers on one kind of place (`contract` says how)."""
