"""Several models, several seeds, one table: what a claim about a model rests on."""
