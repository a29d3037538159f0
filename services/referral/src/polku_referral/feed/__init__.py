"""The way back: what its sender hears of a referral."""
