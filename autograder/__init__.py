"""Builds, grades and judges the notebooks of Deep Learning by Hand."""
