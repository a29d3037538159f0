"""The contracts of Polku: the envelope and every event model."""
