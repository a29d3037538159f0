"""The rules of sessions and attendance: pure, no I/O."""
