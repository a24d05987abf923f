"""What text-driven EQs do, judged without a model: ``tclip eval eq``."""
