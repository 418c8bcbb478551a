"""The Farcell kernel: an IPython kernel whose cells run on a session's far kernel, unless they say ``%%local``."""
