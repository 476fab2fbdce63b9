"""The stages, one file each: pure functions over Arrow tables."""
