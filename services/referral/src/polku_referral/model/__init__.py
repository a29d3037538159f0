"""The rules of referrals, persons and the people and machines at the door: pure, no I/O."""
