"""The wire: kernel messages in Jupyter's WebSocket layouts, link frames, and the stream that survives cuts.

Bytes and events in, bytes and events out: no socket, no clock, no thread. Client, gateway and agent share it.
"""
