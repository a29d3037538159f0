"""The JSON door: HTTP for machines and for the pages’ own scripts."""
