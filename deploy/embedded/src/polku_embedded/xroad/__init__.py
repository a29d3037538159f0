"""A stand-in for the two X-Road security servers between an authority's system and Polku (docs/x-road.md).

It keeps to PR-REST 1.0.3 as far as the two systems can see it, and to nothing of what goes on between real security
servers: keys, certificates and signatures here prove nothing to anybody.
"""
