"""Known wrong answers, one module a chapter, each with the hint that its author needs."""
