"""Serve an R model from AWS Lambda: the code of the function, and nothing else."""
