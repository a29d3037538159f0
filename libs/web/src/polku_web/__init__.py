"""What every Polku page needs once: templates, live updates, languages, problem+json."""
