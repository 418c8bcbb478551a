"""The gateway: the server that clients and agents talk to. Start reading at `application`."""
