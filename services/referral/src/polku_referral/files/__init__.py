"""Referrals in files: what came is read into rows, and rows are written back with what became of them. Pure."""
