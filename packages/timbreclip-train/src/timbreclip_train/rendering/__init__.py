"""Sources of rendered notes: one module per synthesiser."""
