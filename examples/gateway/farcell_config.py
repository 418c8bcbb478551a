# /etc/jupyter/farcell_config.py: what `farcell serve`, `farcell doctor`, `farcell user` and `farcell backup` read.
# `farcell serve --help-all` lists everything. Options of the command line come before what stands here.
c = get_config()  # noqa: F821

c.Gateway.folder = "/var/lib/farcell"
c.Gateway.host = "0.0.0.0"  # noqa: S104
c.Gateway.port = 8890
c.Gateway.host_names = ["gpu.example.org"]
c.Gateway.certfile = "/etc/farcell/cert.pem"
c.Gateway.keyfile = "/etc/farcell/key.pem"

# auto: Docker where an engine answers that has the image or can get it, else processes without walls.
# With "docker", the gateway refuses to do without.
c.Gateway.spawners = ["docker"]

# What one container may take. GPUs are its own; what else there is, all share.
c.DockerSpawner.image = "docker.io/library/python:3.12-slim-bookworm"
c.DockerSpawner.max_memory_bytes = 64 << 30
c.DockerSpawner.max_cpus = 16
c.DockerSpawner.max_processes = 4096
c.DockerSpawner.max_disk_bytes = 40 << 30
c.DockerSpawner.shm_bytes = 8 << 30
# What every container sees of this machine: (here, there, may it be written). Offers name them.
c.DockerSpawner.mounts = []

# What is kept on this machine.
c.Gateway.cache_bytes = 200 << 30  # of one user's models and packages
c.Gateway.min_free_bytes = 20 << 30  # below it caches are emptied, and who fills hers is stopped
c.Gateway.log_bytes = 16 << 20  # of one lease's log
c.Gateway.log_days = 30.0
