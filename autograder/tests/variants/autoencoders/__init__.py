from autograder.tests.variants.autoencoders import pca

VARIANTS = [*pca.VARIANTS]
