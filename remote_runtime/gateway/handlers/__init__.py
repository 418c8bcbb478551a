"""The gateway's HTTP and WebSocket handlers; `base` has what all of them share."""
