"""A model without a key: two providers' wires, one pure function of request and seed."""
