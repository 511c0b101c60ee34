"""Lambda without AWS: the function's own code under AWS's Runtime Interface Emulator, with an embedded S3."""
