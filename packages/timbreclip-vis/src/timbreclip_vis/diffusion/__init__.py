"""Pictures by the text-to-image pipelines of the library diffusers."""
