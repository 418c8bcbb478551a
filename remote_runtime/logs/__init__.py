"""A lease's log on disk: what agent and kernel wrote, in segments; written by the agent, read by the gateway."""
