"""Everything that the notebooks of Deep Learning by Hand import."""
