"""The Docker spawner: containers with walls, through the Engine API of Docker or of Podman."""
