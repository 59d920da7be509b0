"""What the scenario tests stand on: processes, a raw HTTP client, the scripted upstream, checks."""
