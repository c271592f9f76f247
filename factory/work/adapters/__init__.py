"""What work asks of the host it runs on."""
