"""The notebook side: the `%%gpu` and `%gpu` magics. Start reading at `magics`, then `far_cell`."""
