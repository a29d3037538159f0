"""The programme plan, its targets and the live indicators."""
