"""The door behind an X-Road security server: the JSON contract on a listener of its own (docs/x-road.md)."""
