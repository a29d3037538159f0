"""The figures of the README, each beside its ceiling measured in the same run: `make bench`."""
