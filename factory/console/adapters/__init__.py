"""Who is simulated in a rehearsal: customers and the payment processor, from outside and through public doors alone."""
