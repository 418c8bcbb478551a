"""The agent: the first process of a container. It starts the kernel, dials home, relays, judges idleness, reports."""
