"""The ``farcell`` command; each subcommand is imported only when it is called."""
