"""Who may come in: organisations, agreements and machines, as pages and API."""
