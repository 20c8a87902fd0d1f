"""Benchmarks of the daemon against floors and peers on the same machine in the same minutes (see README.md)."""
