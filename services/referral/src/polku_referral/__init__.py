"""Persons, referrals, organisations and the closed loop back to the sender. The door to Polku."""
