"""What the autoencoder rebuilds, and what its codes hold."""

NEVER_BOTH_DOMAINS = (
    "with lines kept whole, no part of the data has both domains to learn from and to test on."
)
