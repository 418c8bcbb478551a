"""What a machine can do for a gateway, and what it lacks: checks that judge facts, and what reads those."""
