"""The notebook side: magics, the cell bridge, the Farcell kernel."""
