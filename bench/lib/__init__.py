"""What bench/run stands on; each module has one noun."""
