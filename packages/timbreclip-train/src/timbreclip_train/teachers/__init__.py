"""Teachers: pretrained encoders whose vectors a model in training learns to predict."""

from __future__ import annotations
