"""The pathway of one person in one programme, and its rules: pure functions, no I/O, no framework."""
