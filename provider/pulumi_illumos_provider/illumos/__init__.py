"""Pure knowledge of illumos: how to say it to a host and how to read what the host says. No I/O."""
