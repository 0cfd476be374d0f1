"""Hidden tests, one module a chapter: plain functions that take the student's objects as arguments."""
