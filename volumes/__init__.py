"""Named, versioned trees of files; not built yet."""
