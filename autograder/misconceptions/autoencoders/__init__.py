from autograder.misconceptions.autoencoders import pca

MISCONCEPTIONS = [*pca.MISCONCEPTIONS]
