"""Grading from outside the student's process."""
