"""Many referrals in one request, and jobs for very many."""
