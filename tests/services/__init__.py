"""Real small services that tests run against: an S3 server in its own process and a proxy that injects faults."""
