"""The `darkhalo` command."""
