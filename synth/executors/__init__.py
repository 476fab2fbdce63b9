"""Ways of running stages. An executor knows the three kinds of stage, and never a stage by name."""
