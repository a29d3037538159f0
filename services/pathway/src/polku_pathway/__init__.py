"""The pathway of one person in one programme."""
