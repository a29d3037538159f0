"""Figures as pure functions: events fold into states, states are judged by rules, judgements are counted."""
